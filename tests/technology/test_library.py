"""Node files and a user's file on top: every constant has unit, kind and source, and a mistake is
named with its place."""

import time
from dataclasses import fields, is_dataclass
from itertools import pairwise

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.technology import scaling
from asic_compiler.technology.constant import KINDS, units
from asic_compiler.technology.document import parse_document
from asic_compiler.technology.library import (
    NODE_NAMES,
    PAPER_NODE_NAMES,
    layered,
    load_constants,
    load_node,
)
from asic_compiler.technology.units import UNITS, to_model


def close(expected, rel=1e-6, abs=0.0):
    """Femtojoules differ: pytest's own absolute tolerance is 1e-12, more than they are."""
    return pytest.approx(expected, rel=rel, abs=abs)


# node, 6T cell um2, fp16 multiply pJ, int32 add pJ, floor pJ/bit, SRAM leakage 85 C pW/bit, GHz:
# copied from the reference table that the files were made from.
REFERENCE = [
    ("28nm", 0.127, 0.8412, 0.076, 0.06, 160.0, 1.0),
    ("22nm", 0.11, 0.7318, 0.0658, 0.05, 100.0, 1.35),
    ("14nm", 0.07, 0.5057, 0.0451, 0.03, 140.0, 1.6),
    ("10nm", 0.042, 0.4217, 0.0374, 0.022, 140.0, 1.8),
    ("7nm", 0.027, 0.34, 0.03, 0.016, 175.0, 2.0),
    ("5nm", 0.021, 0.2448, 0.0216, 0.012, 175.0, 2.2),
    ("3nm", 0.021, 0.17, 0.015, 0.01, 200.0, 2.5),
]


@pytest.mark.parametrize("name", NODE_NAMES)
def test_every_node_loads_and_is_ordered(name):
    node = load_node(name)
    assert node.name == name
    assert node.feature_nm == int(name.removesuffix("nm"))
    v = node.voltage
    assert 0 < node.timing.threshold < v.minimum < v.nominal < v.maximum
    e = node.energy
    assert 0 < e.sram_wide_floor < e.sram_8kb < e.sram_32kb < e.sram_1mb
    assert e.fp16_multiply < e.fp32_multiply
    assert e.fp16_add < e.fp32_add
    assert node.leakage.sram_25c < node.leakage.sram_85c
    assert node.timing.typical < node.timing.fastest


@pytest.mark.parametrize("name", NODE_NAMES)
def test_every_constant_of_a_node_has_unit_kind_source_and_a_range_where_it_is_uncertain(name):
    for key, constant in load_constants(name).constants.items():
        if key.split(".")[0] not in ("density", "energy", "leakage", "timing", "area"):
            continue
        assert constant.written_unit in UNITS, key
        assert constant.kind in KINDS, key
        assert len(constant.source) > 10, key
        assert constant.low <= constant.value <= constant.high, key
        if constant.kind != "published":
            assert constant.uncertain, key


@pytest.mark.parametrize(("name", "cell", "mul", "add", "floor", "leak", "ghz"), REFERENCE)
def test_values_agree_with_the_reference_table(name, cell, mul, add, floor, leak, ghz):
    node = load_node(name)
    assert node.density.sram_cell == close(cell * 1e-6)
    assert node.energy.fp16_multiply == close(mul * 1e-12)
    assert node.energy.int32_add == close(add * 1e-12)
    assert node.energy.sram_wide_floor == close(floor * 1e-12)
    assert node.leakage.sram_85c == close(leak * 1e-12)
    assert node.timing.fastest == close(ghz * 1e9)
    assert node.scale_from_28nm == close(add / 0.076)


def test_finer_nodes_are_denser_and_never_spend_more():
    for finer, coarser in pairwise(load_node(name) for name in NODE_NAMES):
        assert finer.density.gates > coarser.density.gates
        assert finer.density.sram_cell <= coarser.density.sram_cell
        assert finer.timing.fastest >= coarser.timing.fastest
        for f in fields(finer.energy):
            assert getattr(finer.energy, f.name) <= getattr(coarser.energy, f.name), f.name


@pytest.mark.parametrize("name", NODE_NAMES)
def test_operation_and_read_energies_follow_the_scaling_rule(name):
    """The files spell the values out; the rule that they come from is code, and must agree."""
    for key, constant in load_constants(name).constants.items():
        if (operation := key.removeprefix("energy.")) in scaling.HOROWITZ_45NM_PJ:
            expected = scaling.operation_energy_pj(operation, name)
            assert constant.written_value == close(expected, rel=0.005), key


@pytest.mark.parametrize(("entry", "unit"), [("register_file", 1e-15), ("sram_wide_floor", 1e-12)])
def test_what_12nm_interpolates_lies_where_the_rule_says(entry, unit):
    older, wanted, newer = (getattr(load_node(n).energy, entry) for n in ("14nm", "12nm", "10nm"))
    expected = scaling.between(older, newer, ("14nm", "12nm", "10nm"))
    assert wanted == close(expected, abs=0.006 * expected + 1e-4 * unit)


def test_names_have_short_and_shared_forms():
    assert load_node("3") is load_node("3nm")
    assert load_node("16nm").name == load_node("16").name == "14nm"
    assert set(PAPER_NODE_NAMES) < set(NODE_NAMES)


def test_unknown_node_lists_the_known_ones():
    with pytest.raises(UserError, match="unknown process node '2nm'") as error:
        load_node("2nm")
    assert "3nm, 4nm, 5nm" in error.value.notes[0]


class TestAFileOnTop:
    CELL = (
        '[density]\nsram_cell = { value = 0.0199, unit = "um2", '
        'kind = "published", source = "N3B" }\n'
    )

    def layer(self, text, name="5nm"):
        return layered(name, parse_document(text, "my.toml"))

    def test_it_changes_what_it_names_and_nothing_else(self):
        mine, shipped = self.layer(self.CELL), load_constants("5nm")
        assert mine.overridden == ("density.sram_cell",)
        assert mine.name == mine.base == "5nm"
        node = mine.technology()
        assert node.density.sram_cell == close(1.99e-8)
        for key, constant in shipped.constants.items():
            if key != "density.sram_cell":
                assert mine.constants[key] == constant

    def test_an_exact_value_has_no_range_and_a_range_is_kept(self):
        assert not self.layer(self.CELL).constants["density.sram_cell"].uncertain
        text = self.CELL.replace("unit", "low = 0.019, high = 0.021, unit")
        cell = self.layer(text).constants["density.sram_cell"]
        assert (cell.low, cell.high) == close((1.9e-8, 2.1e-8))

    def test_every_constant_of_every_file_can_be_overridden(self):
        shipped = load_constants("5nm").constants
        assert set(shipped) == set(units())
        for key, constant in shipped.items():
            section, name = key.split(".")
            text = (
                f"[{section}]\n{name} = {{ value = {constant.written_value!r}, "
                f'unit = "{constant.written_unit}", kind = "assumed", source = "same" }}\n'
            )
            mine = self.layer(text)
            assert mine.overridden == (key,)
            assert mine.technology() == load_node("5nm"), key

    def test_it_can_have_a_base_and_a_name(self):
        text = 'name = "my-5nm"\nbase = "5nm"\n' + self.CELL
        assert self.layer(text).name == self.layer(text, "my-5nm").name == "my-5nm"
        with pytest.raises(UserError, match="based on '5nm', but the node asked for is '3nm'") as e:
            self.layer(text, "3nm")
        assert str(e.value.location) == "my.toml:2:1"
        assert "node='5nm' or 'my-5nm'" in e.value.notes[0]

    def test_it_can_be_a_node_of_its_own(self):
        lines = ['name = "2nm"', "feature_nm = 2", 'reference_process = "a guess"']
        shipped = load_constants("3nm").constants
        for section in ("voltage", "density", "energy", "leakage", "timing"):
            lines.append(f"[{section}]")
            for key, c in shipped.items():
                if key.startswith(f"{section}.") and "nodes/" in str(c.where):
                    value = c.written_value * (0.9 if section == "energy" else 1.0)
                    lines.append(
                        f'{key.split(".")[1]} = {{ value = {value!r}, unit = "{c.written_unit}", '
                        'kind = "assumed", source = "a test" }'
                    )
        mine = self.layer("\n".join(lines), "2nm")
        assert (mine.name, mine.base, mine.feature_nm) == ("2nm", "", 2)
        node = mine.technology()
        assert node.energy.int32_add == close(0.9 * load_node("3nm").energy.int32_add)
        assert node.scale_from_28nm == close(0.9 * load_node("3nm").scale_from_28nm)
        short = "\n".join(line for line in lines if not line.startswith("wire"))
        with pytest.raises(UserError, match=r"lacks 1 constants: energy\.wire"):
            self.layer(short, "2nm")
        with pytest.raises(UserError, match="lacks 'feature_nm'"):
            self.layer("\n".join(line for line in lines if "feature" not in line), "2nm")

    @pytest.mark.parametrize(
        ("text", "where", "message"),
        [
            ("[density\n", "1:9", "not TOML: expected ']'"),
            ("a = 1\na = 2\n", "2:6", "not TOML: cannot overwrite a value"),
            ("# no\nnmae = 'x'\n", "2:1", "'nmae' stands outside a section"),
            ('name = ""\n', "1:1", "'name' must be a text"),
            ("feature_nm = true\n", "1:1", "'feature_nm' must be a positive whole number"),
            ('base = "9nm"\n', "1:1", "unknown process node '9nm'"),
            ("\n[densty]\n", "2:1", r"unknown section \[densty\]"),
            ("[density]\nsram = {}\n", "2:1", r"\[density\] has no constant 'sram'"),
            ("[density]\n  sram_cell = 0.02\n", "2:3", "a constant is a table"),
            (CELL.replace(', source = "N3B"', ""), "2:1", "lacks source"),
            (CELL.replace("um2", "pJ"), "2:31", "unit 'pJ' where one of 'um2', 'mm2' is expected"),
            (CELL.replace("um2", "acre"), "2:31", "unknown unit 'acre'"),
            (CELL.replace("published", "guessed"), "2:45", "kind is one of published, derived"),
            (CELL.replace('"N3B"', '""'), "2:65", "the source must be a text"),
            (CELL.replace("0.0199", "-1"), "2:15", "value must be a number, not negative"),
            (CELL.replace("0.0199", "nan"), "2:15", "value must be a number"),
            (CELL.replace("0.0199", "true"), "2:15", "value must be a number"),
            (CELL.replace("unit", "low = 0.02, unit"), "2:31", "low <= value <= high"),
            (CELL.replace("unit", "lo = 0.02, unit"), "2:31", "unknown key 'lo'"),
            (CELL.replace("0.0199", "0"), "2:1", "density.sram_cell must be above 0"),
            (
                '[timing]\nthreshold = { value = 0.5, unit = "V", kind = "assumed", source = "x" }',
                "2:1",
                r"timing.threshold \(0.5\) is above voltage.minimum \(0.45\)",
            ),
        ],
    )
    def test_mistakes_are_named_with_their_place(self, text, where, message):
        with pytest.raises(UserError, match=message) as error:
            self.layer(text)
        assert str(error.value.location) == f"my.toml:{where}"

    def test_a_close_name_is_suggested(self):
        with pytest.raises(UserError) as error:
            self.layer("[density]\nsram_cel = {}\n")
        assert error.value.notes == ("did you mean 'sram_cell'?",)

    def test_a_file_that_cannot_be_read(self, tmp_path):
        with pytest.raises(UserError, match=r"cannot read .*: No such file"):
            load_node("5nm", str(tmp_path / "none.toml"))
        (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
        with pytest.raises(UserError, match="is not UTF-8 text"):
            load_node("5nm", str(tmp_path / "bytes.toml"))

    def test_a_neither_shipped_nor_own_name(self):
        with pytest.raises(UserError, match="'2nm' is neither a shipped node nor the name"):
            self.layer(self.CELL, "2nm")


def test_places_survive_tables_comments_and_braces_in_strings():
    text = (
        "# head\n\n[a]\n"
        'x = { value = 1, source = "a {brace}, unit = no", unit = "V" } # c\n'
        "[a.y]\nvalue = 2\n"
        '[b]\n"z" = 1\n'
    )
    document = parse_document(text, "f")
    assert str(document.where("a", "x", "unit")) == f"f:4:{text.splitlines()[3].rindex('unit') + 1}"
    assert str(document.where("a", "y")) == "f:5:1"
    assert str(document.where("a", "y", "value")) == "f:6:1"
    assert str(document.where("b", "z")) == "f:8:1"
    assert str(document.where("nowhere")) == "f:1:1"


def test_every_leaf_of_technology_is_a_constant_of_a_file():
    """A field that no file fills would be one nobody can override or doubt."""

    def leaves(value):
        for f in fields(value):
            inner = getattr(value, f.name)
            yield from leaves(inner) if is_dataclass(inner) else [f.name]

    free = ("name", "feature_nm", "reference_process", "scale_from_28nm")
    found = [name for name in leaves(load_node("3nm")) if name not in free]
    assert sorted(found) == sorted(key.split(".")[1] for key in units())


def test_units_convert_to_the_models():
    assert to_model(2.5, "GHz", "Hz") == 2.5e9
    assert to_model(0.01, "pJ/bit", "J/bit") == close(1e-14)
    assert to_model(200.0, "pW/bit", "W/bit") == close(2e-10)
    assert to_model(0.021, "um2", "mm2") == close(2.1e-8)
    assert to_model(0.12, "ns/mm", "s/mm") == close(1.2e-10)


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 100_000 + " = 1",
        "[" + "a." * 100_000 + "b]",
        "a = " + "[" * 100_000,
        "a = " + "{b = " * 5_000 + "1" + "}" * 5_000,
        "a = " + "9" * 100_000,
        "a = '''\n[" + " " * 100_000 + "\n'''\n[",
        'a = 1 # "' + '\\"' * 100_000 + "\n[",
    ],
    ids=["key", "header", "arrays", "tables", "digits", "blanks", "quotes"],
)
def test_a_hostile_document_is_refused_at_once(text):
    """Keys of 100,000 parts took memory with their square; others ended in a trace."""
    started = time.process_time()
    with pytest.raises(UserError) as caught:
        parse_document(text, "t.toml")
    assert time.process_time() - started < 2.0
    assert caught.value.location is not None
