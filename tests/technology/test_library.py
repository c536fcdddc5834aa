"""Node files: every constant has a unit, a kind and a source; mistakes are named."""

import tomllib
from dataclasses import fields
from importlib.resources import files
from itertools import pairwise

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.library import NODE_NAMES, _section, load_node
from asic_compiler.technology.node import Voltage
from asic_compiler.technology.units import UNITS, to_model

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


def tables():
    root = files("asic_compiler.technology")
    paths = ["constants.toml", "system.toml", *(f"nodes/{name}.toml" for name in NODE_NAMES)]
    for path in paths:
        data = tomllib.loads((root / path).read_text(encoding="utf-8"))
        for section, entries in data.items():
            if isinstance(entries, dict):
                for name, entry in entries.items():
                    yield f"{path}:{section}.{name}", entry


@pytest.mark.parametrize("name", NODE_NAMES)
def test_every_node_loads_and_is_ordered(name):
    node = load_node(name)
    assert node.name == name
    v = node.voltage
    assert 0 < node.timing.threshold < v.minimum < v.nominal < v.maximum
    e = node.energy
    assert 0 < e.sram_wide_floor < e.sram_8kb < e.sram_32kb < e.sram_1mb
    assert e.fp16_multiply < e.fp32_multiply
    assert e.fp16_add < e.fp32_add
    assert node.leakage.sram_25c < node.leakage.sram_85c
    assert node.timing.typical < node.timing.fastest


@pytest.mark.parametrize(("where", "entry"), list(tables()), ids=lambda x: str(x)[:60])
def test_every_constant_has_unit_kind_and_source(where, entry):
    assert set(entry) == {"value", "unit", "kind", "source"}
    assert entry["unit"] in UNITS
    assert entry["kind"] in ("published", "derived", "assumed")
    assert len(entry["source"]) > 10


@pytest.mark.parametrize(("name", "cell", "mul", "add", "floor", "leak", "ghz"), REFERENCE)
def test_values_agree_with_the_reference_table(name, cell, mul, add, floor, leak, ghz):
    node = load_node(name)
    assert node.density.sram_cell == pytest.approx(cell * 1e-6)
    assert node.energy.fp16_multiply == pytest.approx(mul * 1e-12)
    assert node.energy.int32_add == pytest.approx(add * 1e-12)
    assert node.energy.sram_wide_floor == pytest.approx(floor * 1e-12)
    assert node.leakage.sram_85c == pytest.approx(leak * 1e-12)
    assert node.timing.fastest == pytest.approx(ghz * 1e9)
    assert node.scale_from_28nm == pytest.approx(add / 0.076)


def test_finer_nodes_are_denser_and_spend_less():
    nodes = [load_node(name) for name in NODE_NAMES]
    for finer, coarser in pairwise(nodes):
        assert finer.density.gates > coarser.density.gates
        assert finer.energy.fp16_multiply < coarser.energy.fp16_multiply
        assert finer.energy.sram_wide_floor < coarser.energy.sram_wide_floor


def test_names_have_short_and_shared_forms():
    assert load_node("3") is load_node("3nm") or load_node("3") == load_node("3nm")
    assert load_node("16nm").name == "14nm"


def test_unknown_node_lists_the_known_ones():
    with pytest.raises(UserError, match="unknown process node '4nm'") as error:
        load_node("4nm")
    assert "3nm, 5nm, 7nm" in error.value.notes[0]


def voltage(**changes):
    entry = {"value": 1.0, "unit": "V", "kind": "assumed", "source": "a test"}
    data = {f.name: dict(entry) for f in fields(Voltage)}
    for name, change in changes.items():
        data[name] = None if change is None else data[name] | change
    return {"voltage": {k: v for k, v in data.items() if v is not None}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nominal": {"unit": "pJ"}}, "unit 'pJ' where one of 'V' is expected"),
        ({"nominal": {"unit": "volt"}}, "unknown unit 'volt'"),
        ({"nominal": {"kind": "guessed"}}, "needs a kind"),
        ({"nominal": {"source": ""}}, "needs a kind .* and a source"),
        ({"nominal": None}, "missing or unknown constants: nominal"),
        ({"extra": {}}, None),
    ],
)
def test_mistakes_in_a_file_are_named(changes, message):
    if message is None:
        data = voltage()
        data["voltage"]["extra"] = data["voltage"]["nominal"]
        with pytest.raises(UserError, match="unknown constants: extra"):
            _section(data, "voltage", Voltage)
        return
    with pytest.raises(UserError, match=message):
        _section(voltage(**changes), "voltage", Voltage)


def test_units_convert_to_the_models():
    assert to_model(2.5, "GHz", "Hz") == 2.5e9
    assert to_model(0.01, "pJ/bit", "J/bit") == pytest.approx(1e-14)
    assert to_model(200.0, "pW/bit", "W/bit") == pytest.approx(2e-10)
    assert to_model(0.021, "um2", "mm2") == pytest.approx(2.1e-8)
    assert to_model(0.12, "ns/mm", "s/mm") == pytest.approx(1.2e-10)
