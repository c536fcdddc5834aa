"""Goals: text in, meaning and numbers out, and answers that point at the wrong word.

What the reader refuses, each with its column:
 1. a text that is no goal            6. a number that is not positive and finite
 2. an unknown quantity or objective  7. dies that are no whole number
 3. a sense that asks for the worse   8. a quantity given twice by '='
 4. a relation without sense          9. bounds that nothing keeps
 5. a unit that does not fit         10. weights without meaning
"""

import math
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_archive import designs
from toy_problems import WalkAndTune

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.goal import (
    FACTS,
    OBJECTIVES,
    Bound,
    Goal,
    Quantity,
    Relation,
    Sense,
    excess,
)
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.protocol import ObjectiveRange
from asic_compiler.explore.reward import score
from asic_compiler.hardware.legality import Constraints
from asic_compiler.machine.limits import LARGEST_NUMBER, LEAST_NUMBER
from asic_compiler.ppa.metrics import Metrics


def bounds_of(text: str) -> dict[tuple[str, str], float]:
    constraints = parse_goal(f"minimize power subject to {text}").constraints
    return {(str(b.quantity), str(b.relation)): b.value for b in constraints}


def metrics(**columns: list[float]) -> Metrics:
    """Metrics with the given columns; every other one is NaN, so that no test reads it unseen."""
    count = len(next(iter(columns.values())))
    unset = {f.name: np.full(count, np.nan) for f in fields(Metrics)}
    return Metrics(**unset | {name: np.array(values) for name, values in columns.items()})


class TestMeaning:
    def test_an_objective_and_its_constraints(self):
        goal = parse_goal("maximize tokens_per_s subject to power <= 51 W and die_area <= 858 mm2")
        assert goal == Goal(
            objective=Quantity.TOKENS_PER_S,
            constraints=(
                Bound(Quantity.POWER, Relation.AT_MOST, 51.0),
                Bound(Quantity.DIE_AREA, Relation.AT_MOST, 858.0),
            ),
        )
        assert goal.sense is Sense.MAXIMIZE

    def test_a_rate_of_one_user_needs_no_unit(self):
        goal = parse_goal("minimize energy_per_token subject to tokens_per_s_per_user >= 30")
        assert (goal.objective, goal.sense) == (Quantity.ENERGY_PER_TOKEN, Sense.MINIMIZE)
        bound = Bound(Quantity.TOKENS_PER_S_PER_USER, Relation.AT_LEAST, 30.0)
        assert goal.constraints == (bound,)

    def test_weights_instead_of_an_objective(self):
        goal = parse_goal("weights 0.4/0.4/0.2 subject to power <= 51.4 W")
        assert (goal.weights, goal.objective, goal.sense) == ((0.4, 0.4, 0.2), None, None)
        assert goal.score_weights == (0.4, 0.4, 0.2)
        assert len(goal.constraints) == 1

    @pytest.mark.parametrize("objective", OBJECTIVES)
    def test_every_objective_has_one_sense(self, objective: Quantity):
        rates = (Quantity.TOKENS_PER_S, Quantity.TOKENS_PER_S_PER_USER)
        sense = "maximize" if objective in rates else "minimize"
        assert parse_goal(f"{sense} {objective}") == Goal(objective)

    @pytest.mark.parametrize(
        "text",
        [
            "MAXIMISE tokens_per_s SUBJECT TO power <= 51 W and clock = 10 MHz",
            "maximize\n\ttokens_per_s\nsubject\nto power<=51w AND CLOCK=1e1 Mhz",
            "maximize tokens_per_s subject to clock = .01GHZ and power <= 5.1e1W",
            " maximize Tokens_Per_S subject  to power <= 51000 mW and clock = 1.0E+4 khz ",
        ],
    )
    def test_case_space_and_spelling_of_numbers_are_free(self, text: str):
        expected = "maximize tokens_per_s subject to power <= 51 W and clock = 10000000 Hz"
        assert str(parse_goal(text)) == expected

    def test_the_order_of_constraints_is_free(self):
        left = parse_goal("minimize power subject to dies <= 2 and latency <= 1 s")
        assert left == parse_goal("minimize power subject to latency <= 1 s and dies <= 2")

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("power <= 51 W", 51.0),
            ("power <= 13 mW", 0.013),
            ("power <= 7 uW", 7e-6),
            ("power <= 7 µW", 7e-6),  # micro sign
            ("power <= 7 μW", 7e-6),  # Greek mu
            ("power <= 0.3 kW", 300.0),
            ("die_area <= 858 mm2", 858.0),
            ("die_area <= 858 mm²", 858.0),
            ("die_area <= 8.58 cm^2", 858.0),
            ("dies <= 2", 2.0),
            ("dies <= 1 die", 1.0),
            ("latency <= 2 s", 2.0),
            ("latency <= 3 ms", 0.003),
            ("latency <= 3 us", 3e-6),
            ("latency <= 3 ns", 3e-9),
            ("energy_per_token <= 2 J", 2.0),
            ("energy_per_token <= 3 mJ", 0.003),
            ("energy_per_token <= 3 uJ / token", 3e-6),
            ("energy_per_token <= 3 nJ", 3e-9),
            ("tokens_per_s >= 30000", 3e4),
            ("tokens_per_s >= 30 1/s", 30.0),
            ("tokens_per_s >= 30/s", 30.0),
            ("tokens_per_s >= 30 tokens/s", 30.0),
            ("tokens_per_s >= 30 inferences / s", 30.0),
            ("clock <= 5 Hz", 5.0),
            ("clock >= 5 kHz", 5e3),
            ("clock = 10 MHz", 10e6),
            ("clock <= 1.1 GHz", 1.1e9),
        ],
    )
    def test_units_become_those_of_the_model_to_the_last_bit(self, text: str, value: float):
        assert list(bounds_of(text).values()) == [value]

    def test_of_two_bounds_the_tighter_wins_in_either_order(self):
        for text in ("power <= 5 W and power <= 3 W", "power <= 3 W and power <= 5 W"):
            assert bounds_of(text) == {("power", "<="): 3.0}
        assert bounds_of("tokens_per_s >= 5 and tokens_per_s >= 9") == {("tokens_per_s", ">="): 9}

    def test_the_clock_may_have_two_bounds(self):
        assert bounds_of("clock <= 2 GHz and clock >= 2 GHz") == {
            ("clock", "<="): 2e9,
            ("clock", ">="): 2e9,
        }

    def test_an_exact_bound_replaces_those_it_keeps(self):
        assert bounds_of("dies <= 3 and dies = 2") == {("dies", "="): 2.0}
        assert bounds_of("clock = 1 GHz and clock <= 1 GHz and clock >= 1 MHz") == {
            ("clock", "="): 1e9
        }

    def test_a_goal_has_an_objective_or_weights(self):
        with pytest.raises(ValueError, match="either"):
            Goal()
        with pytest.raises(ValueError, match="either"):
            Goal(Quantity.POWER, weights=(1, 1, 1))
        with pytest.raises(ValueError, match="no objective"):
            Goal(Quantity.CLOCK)


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    positive = st.floats(LEAST_NUMBER, LARGEST_NUMBER)
    constraints: list[Bound] = []
    for quantity in Quantity:
        allowed = FACTS[quantity].relations
        for relation in draw(st.sampled_from([(), *((r,) for r in allowed)])):
            value = draw(st.integers(1, 64)) if quantity is Quantity.DIES else draw(positive)
            constraints.append(Bound(quantity, relation, float(value)))
    if draw(st.booleans()):
        return Goal(draw(st.sampled_from(OBJECTIVES)), constraints=tuple(constraints))
    weight = st.just(0.0) | st.floats(LEAST_NUMBER, LARGEST_NUMBER)
    weights = draw(st.tuples(weight, weight, weight).filter(any))
    return Goal(weights=weights, constraints=tuple(constraints))


@settings(deadline=None)
@given(goals())
def test_the_text_of_a_goal_parses_to_an_equal_goal(goal: Goal):
    assert parse_goal(str(goal)) == goal


def refusal(text: str) -> UserError | None:
    try:
        parse_goal(text)
    except UserError as error:
        return error
    return None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40) | st.text("maxize power<=5W/\n 1e-", max_size=40))
def test_any_text_is_a_goal_or_is_refused_at_a_place_within_it(text: str):
    error = refusal(text)
    if error is not None:
        assert error.location is not None
        lines = text.split("\n")
        assert 1 <= error.location.line <= len(lines)
        assert 1 <= error.location.column <= len(lines[error.location.line - 1]) + 1


POWER = "minimize power subject to "


@pytest.mark.parametrize(
    ("text", "at", "message", "note"),
    [
        # 1. no goal
        ("", "", "expected 'maximize', 'minimize' or 'weights'", None),
        ("minimze power", "minimze", "expected 'maximize', .*, not 'minimze'", "'minimize'"),
        ("minimize", "", "expected the name of a quantity", None),
        ("minimize power subject ", "subject", "expected 'subject to' or the end", "'subject to'"),
        ("minimize power area", "area", "expected 'subject to' or the end, not 'area'", None),
        (POWER, " ", "expected the name of a quantity", None),
        (POWER + "power", "", "expected '<=', '>=' or '='", None),
        (POWER + "power 5 W", "5", "expected '<=', '>=' or '=', not '5'", None),
        (POWER + "power <= lots", "lots", "expected a number, not 'lots'", None),
        (POWER + "power <= 5 W and", "", "expected the name of a quantity", None),
        (POWER + "power <= 5 W dies <= 2", "dies", "expected 'and' or the end, not 'dies'", None),
        (POWER + "power <= 5 W, dies <= 2", ",", "expected 'and', not ','", None),
        (POWER + "power <= 5 W;", ";", "expected 'and', not ';'", None),
        ("minimize power\nsubject to\n  powr <= 5 W", "powr", "unknown quantity", "'power'"),
        # 2. unknown
        ("minimize energy_per_tokn", "energy_per_tokn", "unknown objective", "'energy_per_token'"),
        ("maximize speed", "speed", "unknown objective 'speed'", "objectives: tokens_per_s, "),
        ("maximize clock", "clock", "clock can be bounded, but is no objective", "objectives: "),
        (POWER + "area <= 5 mm2", "area", "unknown quantity 'area'", "'die_area'"),
        # 3. sense
        ("maximize power", "maximize", "'maximize power' asks for a worse chip", "'minimize'"),
        ("minimize tokens_per_s", "minimize", "asks for a worse chip", "'maximize'"),
        # 4. relation
        (POWER + "power >= 5 W", ">=", "power is bounded by '<=', not by '>='", None),
        (POWER + "power = 5 W", "=", "power is bounded by '<=', not by '='", None),
        (POWER + "tokens_per_s <= 5", "<=", "tokens_per_s is bounded by '>='", None),
        (POWER + "latency >= 5 s", ">=", "latency is bounded by '<='", None),
        (POWER + "dies >= 5", ">=", "dies is bounded by '<=' or '='", None),
        (POWER + "power < 5 W", "<", "'<' is no relation", "'<='"),
        (POWER + "clock ≥ 5 Hz", "≥", "'≥' is no relation", "'>='"),
        (POWER + "clock == 5 Hz", "==", "'==' is no relation", "'='"),
        # 5. unit
        (POWER + "power <= 5", "5", "power needs a unit: 5 W", "units of power: W, "),
        (POWER + "power <= 5 tokens", "tokens", "'tokens' is no unit of power", "units of power"),
        (POWER + "power <= 5 MW", "MW", "'MW' is no unit of power", "'mW'"),
        (POWER + "clock <= 5 mHz", "mHz", "'mHz' is no unit of clock", "'MHz'"),
        (POWER + "die_area <= 5 mm", "mm", "'mm' is no unit of die_area", "mm2, cm2"),
        (POWER + "dies <= 2 mm2", "mm2", "'mm2' is no unit of dies", "or none"),
        (POWER + "tokens_per_s >= 2 J/token", "J/token", "no unit of tokens_per_s", "1/s"),
        # 6. number
        (POWER + "power <= 0 W", "0", "the limit of power must be positive", None),
        (POWER + "power <= -3 W", "-3", "must be positive and finite, not -3", None),
        (POWER + "power <= 1e308 kW", "1e308", "must be positive and finite", None),
        (POWER + f"power <= 1e{'9' * 5000} W", "1e9", "must be positive and finite", None),
        (POWER + "power <= 1e-400 W", "1e-400", "must be positive and finite", None),
        # 7. dies
        (POWER + "dies <= 2.5", "2.5", "dies are counted in whole numbers", None),
        # 8. twice
        (POWER + "clock = 5 MHz and clock = 5 MHz", "clock = 5 MHz", "twice by '='", "5000000 Hz"),
        # 9. nothing keeps both
        (POWER + "clock <= 1 Hz and clock >= 2 Hz", "clock >=", "nothing keeps both", None),
        (POWER + "clock >= 2 Hz and clock <= 1 Hz", "clock <=", "nothing keeps both", None),
        (POWER + "dies <= 2 and dies = 3", "dies = 3", "nothing keeps both", None),
        (POWER + "dies = 3 and dies <= 2", "dies <= 2", "nothing keeps both", None),
        # 10. weights
        ("weights 0.4/0.4", "", "expected '/'", None),
        ("weights 1/-1/0", "-1", "a weight must be finite and not negative, not -1", None),
        ("weights 1/1e999/0", "1e999", "a weight must be finite", None),
        ("weights 0/0/0", "0/0/0", "one weight must be above zero", None),
    ],
)
def test_what_is_no_goal_is_refused_at_its_column(
    text: str, at: str, message: str, note: str | None
):
    with pytest.raises(UserError, match=message) as caught:
        parse_goal(text)
    location, notes = caught.value.location, caught.value.notes
    assert location is not None
    # The last occurrence: constraints that clash are refused at the later one.
    offset = text.rindex(at) if at.strip() else len(text.rstrip())
    line_start = text.rfind("\n", 0, offset) + 1
    line = text.count("\n", 0, offset) + 1
    assert str(location) == f"goal:{line}:{offset - line_start + 1}"
    assert note is None or any(note in text for text in notes)


class TestNumbers:
    def test_an_objective_is_maximised_on_a_logarithmic_scale(self):
        up, _ = parse_goal("maximize tokens_per_s").columns(metrics(tokens_per_s=[1.0, math.e]))
        np.testing.assert_allclose(up, [0.0, 1.0], atol=1e-15)
        some = metrics(latency_s=[1.0, math.e, 0.0])
        down, beyond = parse_goal("minimize latency").columns(some)
        np.testing.assert_allclose(down[:2], [0.0, -1.0], atol=1e-15)
        assert np.isfinite(down[2])
        assert beyond.shape == (3, 0)

    def test_weights_are_exponents(self):
        some = metrics(tokens_per_s=[100.0], power_w=[10.0], area_mm2=[1000.0])
        value, _ = parse_goal("weights 0.5/0.25/0.125").columns(some)
        np.testing.assert_allclose(value, [(0.5 * 2 - 0.25 - 0.125 * 3) * math.log(10)])

    def test_excess_is_relative_and_zero_where_a_bound_is_kept(self):
        goal = parse_goal(
            "minimize energy_per_token subject to power <= 50 W and tokens_per_s_per_user >= 30"
            " and dies = 2 and clock <= 1 GHz and latency <= 10 ms and die_area <= 400 mm2"
        )
        assert [str(b.quantity) for b in goal.constraints] == [
            "tokens_per_s_per_user", "latency", "power", "die_area", "dies", "clock",
        ]  # fmt: skip
        some = metrics(
            energy_per_token_j=[1.0, 1.0, 1.0],
            tokens_per_s_per_user=[30.0, 20.0, 0.0],
            latency_s=[0.01, 0.011, 0.02],
            power_w=[50.0 * (1 + 1e-12), 60.0, 100.0],
            area_mm2=[400.0, 500.0, 1.0],
            dies=[2.0, 1.0, 3.0],
            clock_hz=[1e9, 1.5e9, 1.0],
        )
        _, beyond = goal.columns(some)
        np.testing.assert_allclose(beyond[0], [0, 0, 0, 0, 0, 0])
        np.testing.assert_allclose(beyond[1], [0.5, 0.1, 0.2, 0.25, 1.0, 0.5])
        np.testing.assert_allclose(beyond[2, 1:], [1.0, 1.0, 0.0, 0.5, 0.0])
        assert np.isfinite(beyond).all()
        assert beyond[2, 0] > 1e100

    def test_the_three_reports_of_the_constraints_leave_none_out_and_repeat_none(self):
        goal = parse_goal(
            "minimize power subject to power <= 5 W and die_area <= 4 mm2 and dies <= 3 and"
            " tokens_per_s >= 2 and clock = 1 Hz and latency <= 6 s and tokens_per_s_per_user >= 1"
        )
        assert goal.budgets == Constraints(power_w=5, area_mm2=4, dies=3, tokens_per_s=2)
        assert type(goal.budgets.dies) is int
        assert goal.clock_hz == 1.0
        further = [str(bound) for bound in goal.further_bounds]
        assert further == ["tokens_per_s_per_user >= 1", "latency <= 6 s"]

    def test_an_exact_number_of_dies_and_a_range_of_clocks_are_further_bounds(self):
        goal = parse_goal("minimize power subject to dies = 3 and clock <= 2 Hz and clock >= 1 Hz")
        assert goal.budgets == Constraints()
        assert goal.clock_hz is None
        assert goal.further_bounds == goal.constraints

    def test_no_bounds_no_columns(self):
        assert excess((), metrics(power_w=[1.0, 2.0])).shape == (2, 0)

    @pytest.mark.parametrize(
        "text",
        [
            "maximize tokens_per_s", "maximize tokens_per_s_per_user", "minimize latency",
            "minimize energy_per_token", "minimize power", "minimize die_area",
            "weights 0.4/0.4/0.2",
        ],
    )  # fmt: skip
    def test_the_weighted_score_orders_designs_as_the_goal_does(self, text: str):
        rng = np.random.default_rng(3)
        tokens, power, area, users, latency = 10.0 ** rng.uniform(-1, 3, (5, 40))
        some = metrics(
            tokens_per_s=tokens,
            power_w=power,
            area_mm2=area,
            tokens_per_s_per_user=users,
            latency_s=latency,
            energy_per_token_j=power / tokens,
        )
        goal = parse_goal(text)
        toy = WalkAndTune(weights=goal.score_weights)
        decades = [ObjectiveRange(low, 100 * low, logarithmic=True) for low in (0.5, 7.0, 40.0)]
        toy.ranges = tuple(decades)
        rows = list(zip(goal.performance(some), power, area, strict=True))
        scores = score(designs(rows), toy)
        value, _ = goal.columns(some)
        np.testing.assert_array_equal(np.argsort(scores), np.argsort(value))


class TestDocument:
    TEXT = (Path(__file__).parents[2] / "docs" / "goals.md").read_text(encoding="utf-8")

    def test_its_examples_are_goals_and_its_error_is_ours(self):
        examples = re.findall(r"^    ((?:maximize|minimize|weights) .*)$", self.TEXT, re.MULTILINE)
        assert len(examples) == 3
        for example in examples:
            assert str(parse_goal(example)) == example
        wrong = re.search(r"^Errors .*`(.*)`:$", self.TEXT, re.MULTILINE)
        assert wrong is not None
        error = refusal(wrong[1])
        assert error is not None
        assert all(f"    {line}\n" in self.TEXT for line in error.render().splitlines())

    def test_its_table_lists_every_quantity_relation_and_unit(self):
        rows = re.findall(r"^\| `(\w+)` \| [^`]* \| (\S+) \| (.*) \| (.*) \|$", self.TEXT, re.M)
        assert [row[0] for row in rows] == list(Quantity)
        rate = set(FACTS[Quantity.TOKENS_PER_S].units)
        for name, sense, relations, units in rows:
            facts = FACTS[Quantity(name)]
            assert sense == (facts.sense or "-")
            assert re.findall("[<>=]+", relations) == [str(r) for r in facts.relations]
            written = set(re.findall("`(.*?)`", units)) | ({""} if "none" in units else set())
            if "/token" in written:
                written = written - {"/token"} | {f"{u}/token" for u in written - {"/token"}}
            assert (rate if units == "the same" else written) == set(facts.units)


@pytest.mark.parametrize(
    "text",
    [
        "maximize tokens_per_s subject to tokens_per_s >= 1e308",
        "maximize tokens_per_s subject to power <= 1e-308 W",
        "weights 1e308/1e308/1e308",
        "weights 1e-308/0/0",
    ],
)
def test_a_number_beyond_every_chip_is_refused(text: str):
    """Sums of them were infinite, and quotients of them no numbers."""
    with pytest.raises(UserError, match="between 1e-30 and 1e"):
        parse_goal(text)
