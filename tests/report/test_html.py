"""The HTML report: well-formed, self-contained, true to its files, the same bytes."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.passes.rl_explore import RLExplorePass
from asic_compiler.report.html.page import percent, quantity, table
from asic_compiler.report.html.run_report import run_report
from asic_compiler.report.html.svg import Series, bars, plot

MODEL = Path(__file__).parents[1] / "lit" / "rl-explore" / "mlp.mlir"
VOID = {"meta", "br"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed where it should be; keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(html):
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    module = parse_mlir(make_context(), MODEL.read_text(), "mlp.mlir")
    options = {"strategy": "random", "evaluations": 300, "quiet": True}
    goal = "maximize tokens_per_s subject to power <= 0.5 W"
    RLExplorePass(**options, goal=goal, constraints="mesh in 2x2..8x8", emit=str(out)).apply(
        make_context(), module
    )
    return out


def copy(folder, target, **changed):
    target.mkdir()
    for path in folder.iterdir():
        if path.suffix == ".json":
            (target / path.name).write_bytes(path.read_bytes())
    for name, document in changed.items():
        (target / f"{name}.json").write_text(json.dumps(document))
    return target


def test_the_page_is_well_formed_and_needs_nothing_else(folder):
    html = run_report(folder)
    assert read(html).links == []
    assert "<script" not in html
    assert run_report(folder) == html
    for drawing in re.findall(r"<svg.*?</svg>", html):
        ET.fromstring(drawing)
        assert "nan" not in drawing
        assert "inf" not in drawing


def test_the_page_says_what_the_files_say(folder):
    words = " ".join(read(run_report(folder)).words)
    trace = json.loads((folder / "trace.json").read_text())
    spec = json.loads((folder / "hardware.json").read_text())
    assert f"{spec['mesh']['width']} x {spec['mesh']['height']} tiles" in words
    assert "constraints mesh_width in 2..8; mesh_height in 2..8" in words
    assert f"{trace['search']['feasible']:,} kept every constraint" in words
    for row in trace["constraints"]:
        assert row["constraint"] in words
    for change in trace["changes"]["first_feasible"]["variables"]:
        assert change["variable"] in words
    for row in trace["trades"]:
        assert row["name"] in words
    for section in ("How the search came to it", "What each decision did",
                    "Which constraints bind", "What other designs trade"):  # fmt: skip
        assert section in words


def test_signals_are_drawn_by_group(folder, tmp_path):
    trace = json.loads((folder / "trace.json").read_text())
    trace["signals"] = {
        "evaluation": [10, 20, 30],
        "gate.0": [None, 0.4, 0.3],
        "gate.1": [0.5, 0.6, 0.7],
        "epsilon": [0.5, 0.3, 0.1],
    }
    html = run_report(copy(folder, tmp_path / "signals", trace=trace))
    words = read(html).words
    assert "Weights of the experts (gate)." in words
    assert words.count("expert 1") == 1
    gates = re.search(r"<svg[^>]*><title>Weights.*?</svg>", html)
    assert gates is not None
    assert gates.group().count("<path") == 2


def test_names_from_files_are_no_markup(folder, tmp_path):
    trace = json.loads((folder / "trace.json").read_text())
    spec = json.loads((folder / "hardware.json").read_text())
    nasty = '<script>alert("x")</script>&'
    spec["workload"]["name"] = nasty
    trace["constraints"][0]["constraint"] = nasty
    trace["signals"] = {"evaluation": [1, 2], f"gate.{nasty}": [0.1, 0.2], nasty: [1.0, 2.0]}
    html = run_report(copy(folder, tmp_path / "nasty", trace=trace, hardware=spec))
    assert "<script" not in html
    assert nasty in " ".join(read(html).words)


@pytest.mark.parametrize("name", ["hardware.json", "pareto.json", "trace.json"])
def test_a_missing_file_is_told(folder, tmp_path, name):
    target = copy(folder, tmp_path / "run")
    (target / name).unlink()
    with pytest.raises(UserError, match=f"cannot read '.*{name}'"):
        run_report(target)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trace": {"schema_version": "2.0"}}, "no decision trace of version 1.0"),
        ({"trace": [1]}, "no decision trace"),
        ({"trace": {"schema_version": "1.0"}}, "damaged or of another version"),
        ({"hardware": {}}, "damaged or of another version"),
        ({"pareto": [{}]}, "damaged or of another version"),
    ],
)
def test_files_that_are_something_else_are_told(folder, tmp_path, changed, message):
    with pytest.raises(UserError, match=message):
        run_report(copy(folder, tmp_path / "run", **changed))


def test_a_file_that_is_no_json_is_told(folder, tmp_path):
    target = copy(folder, tmp_path / "run")
    (target / "trace.json").write_text("{")
    with pytest.raises(UserError, match="is no JSON"):
        run_report(target)
    with pytest.raises(UserError, match="is no folder"):
        run_report(target / "trace.json")


def test_plots_put_values_where_they_belong():
    one = plot([Series("a", [0.0, 10.0], [1.0, 3.0], radius=2)], "x", "y", title="t")
    circles = ET.fromstring(one).findall("circle")
    left, right = ((float(c.get("cx")), float(c.get("cy"))) for c in circles)
    assert left[0] == 64.0
    assert right[0] == 620.0 - 16.0
    assert left[1] > right[1]  # upwards is more
    log = ET.fromstring(
        plot([Series("a", [1, 10, 100], [1, 10, 100], radius=2)], "x", "y", title="t",
             log_x=True, log_y=True)
    ).findall("circle")  # fmt: skip
    xs = [float(c.get("cx")) for c in log]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)


def test_a_gap_breaks_a_line_and_steps_hold():
    gap = plot([Series("a", [0, 1, 2, 3], [1.0, 2.0, None, 3.0])], "x", "y", title="t")
    assert re.search(r'd="M[\d. -]+L[\d. -]+M[\d. -]+"', gap)
    steps = plot([Series("a", [0, 1], [1.0, 2.0], steps=True)], "x", "y", title="t")
    path = re.search(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', steps)
    assert path is not None
    assert path.group(2) == path.group(4)
    assert path.group(3) == path.group(5)


@pytest.mark.parametrize("values", [[1.0], [0.0, 0.0], [5e6, 5e6], [-3.0, 4.0], [1e-9, 2e-9]])
def test_any_values_make_a_plot(values):
    for log in (False, True):
        ys = [abs(v) + 1e-12 for v in values] if log else values
        ET.fromstring(
            plot([Series("a", range(1, len(ys) + 1), ys)], "x", "y", title="t", log_y=log)
        )
    ET.fromstring(bars([("a", v, "") for v in values], "t"))
    assert plot([], "x", "y", title="t") == "" == bars([], "t")


def test_bars_grow_from_zero_to_both_sides():
    drawn = ET.fromstring(bars([("up", 2.0, "+2"), ("down", -1.0, "-1")], "t"))
    up, down = drawn.findall("rect")
    assert float(up.get("width")) == pytest.approx(2 * float(down.get("width")), abs=0.2)
    assert float(down.get("x")) + float(down.get("width")) == pytest.approx(float(up.get("x")))


def test_numbers_are_readable():
    assert [quantity(v) for v in (4613.0, 0.00123, 123456.0, 2.0)] == [
        "4,613", "0.00123", "123,456", "2",
    ]  # fmt: skip
    assert [percent(r) for r in (1.0, 1.02, 0.9, 1.0012, 31.0)] == [
        "0%", "+2%", "-10%", "+0.12%", "x 31",
    ]  # fmt: skip
    assert table(["a"], []) == ""
