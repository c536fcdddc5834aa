"""Liberty files: what is read, what is found in them, and what becomes of a node."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.technology.document import parse_document
from asic_compiler.technology.liberty.calibrate import calibrate
from asic_compiler.technology.liberty.cells import Table, read_library
from asic_compiler.technology.liberty.function import truth_table
from asic_compiler.technology.liberty.reference import find_reference
from asic_compiler.technology.liberty.syntax import Value, parse_liberty
from asic_compiler.technology.library import layered, load_constants


def close(expected, rel=1e-6, abs=0.0):
    """Femtojoules differ: pytest's own absolute tolerance is 1e-12, more than they are."""
    return pytest.approx(expected, rel=rel, abs=abs)


EXAMPLE = Path(__file__).parents[3] / "examples" / "cells.lib"
TEXT = EXAMPLE.read_text()
HERE = SourceLocation("f", 1, 1)


@pytest.fixture(scope="module")
def reference():
    return find_reference(read_library(TEXT, "cells.lib"))


class TestSyntax:
    def test_groups_attributes_comments_and_continuations(self):
        root = parse_liberty(
            '/* a { */ library (l) { // b }\n  x : "s, t";\n y : -1.5e-3 ;'
            'z (1, "2, \\\n3") ;\n define(a, b, c);\n  cell("c[0]") { ; } }\n',
            "f.lib",
        )
        assert (root.kind, root.name) == ("library", "l")
        x, y, z = (root.attribute(name) for name in "xyz")
        assert [v.text for v in x.values] == ["s, t"]
        assert float(y.values[0].text) == -0.0015
        assert [v.text.split() for v in z.values] == [["1"], ["2,", "3"]]
        assert root.groups[0].name == "c[0]"
        assert str(root.groups[0].where) == "f.lib:6:3"
        assert str(x.where) == "f.lib:2:3"

    def test_semicolons_may_be_left_out_at_the_end_of_a_line(self):
        root = parse_liberty("library (l) {\n a : b\n c (1, 2)\n d : e * 2\n}", "f")
        assert [a.name for a in root.attributes] == ["a", "c", "d"]

    @pytest.mark.parametrize(
        ("text", "where", "message"),
        [
            ("", "1:1", "expected a name, not the end of the file"),
            ("library (l) {\n  x : ;\n}", "2:7", "expected a name, a number or a string, not ';'"),
            ("library (l) {\n  x = 3;\n}", "2:5", "expected '(' or ':', not '='"),
            ("library (l) {\n", "1:14", "expected a name, '}' or ';', not the end of the file"),
            ("library (l) { } }", "1:17", "expected the end of the file, not '}'"),
            ('library (l) { x : "', "1:19", "expected a name, a number or a string, not '\"'"),
        ],
    )
    def test_mistakes_have_a_place(self, text, where, message):
        with pytest.raises(UserError) as error:
            parse_liberty(text, "f.lib")
        assert error.value.message == f"not Liberty: {message}"
        assert str(error.value.location) == f"f.lib:{where}"


class TestFunctions:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("!(A & B)", lambda a, b, c: not (a and b)),
            ("(A B)'", lambda a, b, c: not (a and b)),
            ("A'B + C", lambda a, b, c: (not a and b) or c),
            ("A ^ B * C", lambda a, b, c: (a != b) and c),  # ^ binds tighter than *
            ("A | B & C", lambda a, b, c: a or (b and c)),
            ("!A ^ !B", lambda a, b, c: a != b),
            ("1 & A + 0", lambda a, b, c: a),
        ],
    )
    def test_precedence(self, text, expected):
        table = truth_table(Value(text, HERE), "ABC")
        assert table == tuple(bool(expected(*x)) for x in product((False, True), repeat=3))

    def test_a_state_is_no_function_of_the_inputs(self):
        assert truth_table(Value("IQ", HERE), "AB") is None

    def test_a_mistake_has_a_place(self):
        with pytest.raises(UserError, match=r"'A \+' is no boolean function") as error:
            truth_table(Value("A +", SourceLocation("f", 3, 4)), "A")
        assert str(error.value.location) == "f:3:4"


class TestCells:
    def test_units_and_values(self, reference):
        library = reference.library
        assert (library.supply_v, library.temperature_c) == (0.75, 25.0)
        nand = library.cell("NAND2_X1")
        assert nand.area_um2 == 0.03
        assert nand.leakage_w == close(0.14e-9)  # mean of its two states
        assert nand.inputs[0].capacitance_f == close(0.4e-15)
        # The table's corner: 1.1 x 0.1 fJ and 0.004 fJ/ps of slew.
        rise = nand.outputs[0].energy[0].tables[0]
        assert rise.at(5e-12, 0.5e-15) == close(0.13e-15)
        assert nand.outputs[0].delay[0].tables[0].at(5e-12, 1e-15) == close(8e-12)

    def test_energy_is_in_the_unit_of_load_times_the_square_of_that_of_voltage(self):
        text = TEXT.replace('voltage_unit : "1V"', 'voltage_unit : "1mV"')
        library = read_library(text, "f")
        assert library.supply_v == close(0.75e-3)
        rise = library.cell("NAND2_X1").outputs[0].energy[0].tables[0]
        assert rise.at(5e-12, 0.5e-15) == close(0.13e-21)
        text = TEXT.replace("(1, ff)", "(10, ff)").replace('"1ps"', '"0.01ns"')
        nand = read_library(text, "f").cell("NAND2_X1")
        assert nand.inputs[0].capacitance_f == close(4e-15)
        assert nand.outputs[0].delay[0].tables[0].at(50e-12, 10e-15) == close(80e-12)

    def test_reference_cells_are_found_by_function_and_the_smallest_is_taken(self, reference):
        assert {kind: cell.name for kind, cell in reference.cells.items()} == {
            "inverter": "INV_X1", "nand2": "NAND2_X1", "and2": "AND2_X1", "xor2": "XOR2_X1",
            "full_adder": "FA_X1", "flip_flop": "DFF_X1",  # DFFR_X1 is smaller but has a clear
        }  # fmt: skip

    def test_blocks_are_counted(self, reference):
        block = reference.block
        assert block("half_adder").area_um2 == close(0.07 + 0.04)
        assert reference.adder(32).area_um2 == close(32 * 0.17)
        assert reference.multiplier(8).area_um2 == close(64 * 0.04 + 48 * 0.17 + 8 * 0.11)
        cell = reference.library.cell("FA_X1")
        assert block("full_adder").energy_j == close(reference.operation_energy_j(cell))

    def test_what_a_library_lacks_is_put_together(self):
        text = TEXT
        for name in ("AND2_X1", "XOR2_X1", "FA_X1"):
            text = text.replace(f"cell ({name})", f"hidden ({name})")
        reference = find_reference(read_library(text, "f"))
        assert set(reference.cells) == {"inverter", "nand2", "flip_flop"}
        assert reference.block("full_adder").area_um2 == close((8 + 3) * 0.03)
        assert reference.block("and2").area_um2 == close(0.03 + 0.02)

    def test_energy_of_a_cell_by_hand(self, reference):
        """Half of: mean internal energy at 10 ps, and half the charge of the load at 0.75 V."""
        load = 2 * (0.7 + 0.7 + 0.6) / 3  # fF
        assert reference.load_f == close(load * 1e-15)
        assert reference.slew_s == close(10e-12)
        nand = 0.5 * (0.1 + 0.04 + 0.5 * load * 0.75**2)
        assert reference.block("nand2").energy_j == close(nand * 1e-15)
        clock = 2 * 0.45 + 0.35 * 0.75**2
        assert reference.clock_energy_j() == close(clock * 1e-15)

    @given(st.floats(0.0, 4.0), st.floats(0.0, 4.0))
    def test_tables_interpolate_between_their_points_and_stay_inside_them(self, slew, load):
        table = Table(
            np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.array([[1.0, 3.0], [2.0, 4.0]])
        )
        expected = np.clip(slew, 1, 2) - 1 + np.clip(load, 1, 3)
        assert table.at(slew, load) == close(expected)

    def test_axes_in_the_other_order_mean_the_same(self):
        first = (
            "variable_1 : input_transition_time;\n    variable_2 : total_output_net_capacitance;"
        )
        second = (
            "variable_1 : total_output_net_capacitance;\n    variable_2 : input_transition_time;"
        )
        assert first in TEXT
        text = TEXT.replace(first, second)
        text = text.replace(
            'index_1 ("5, 10, 20");\n    index_2 ("0.5, 1, 2");\n  }\n\n',
            'index_1 ("0.5, 1, 2");\n    index_2 ("5, 10, 20");\n  }\n\n',
        )
        table = read_library(text, "f").cell("NAND2_X1").outputs[0].energy[0].tables[0]
        # Rows are loads now; energies of the file depend on the row alone.
        assert table.at(5e-12, 0.5e-15) == table.at(20e-12, 0.5e-15) == close(0.13e-15)
        assert table.at(5e-12, 2e-15) == close(0.19e-15)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("library (", "cell (", "expected a library, not 'cell'"),
            ('time_unit : "1ps";', "", "the library has no time_unit"),
            ('"1ps"', '"1pF"', "'1pF' is no unit of S"),
            ("capacitive_load_unit (1, ff);", "", "the library has no capacitive_load_unit"),
            ("nom_voltage : 0.75;", "", "library 'example_cells' lacks nom_voltage"),
            ("area : 0.17;", "", "cell 'FA_X1' lacks area"),
            ("area : 0.17;", "area : big;", "'big' is no number"),
            ('function : "A * B"', 'function : "A *"', r"'A \*' is no boolean function"),
            ("rise_power (energy)", "rise_power (other)", "unknown table template 'other'"),
            ('values ("0.', 'values ("0.1, 0.', "10 values where 3 x 3 are expected"),
            ('index_2 ("0.5, 1, 2")', 'index_2 ("0.5, 1, 1")', "index_2 does not grow"),
            ("variable_2 : total_output_net_capacitance", "variable_2 : time", "tables over time"),
            ("nom_voltage : 0.75", "nom_voltage : 0", "nom_voltage must be above 0"),
            ("capacitance : 0.35", "capacitance : -1", "the capacitance of pin CK is below 0"),
            ("nom_voltage : 0.75", "nom_voltage : nan", "'nan' is no number"),
            (
                "cell_leakage_power : 0.7;",
                "cell_leakage_power : -9;",
                "leakage of the 8 x 8 array multiplier counted in cells comes to",
            ),
            ("cell (NAND2_", "hidden (NAND2_", "has no nand2"),
            ("cell (DFF_X1", "hidden (DFF_X1", "has no flip-flop"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_place(self, old, new, message):
        assert old in TEXT
        with pytest.raises(UserError, match=message) as error:
            calibrate(TEXT.replace(old, new), "f.lib", "5nm")
        assert str(error.value.location).startswith("f.lib:")


class TestCalibration:
    def test_the_file_is_one_that_the_loader_takes(self):
        mine = layered("5nm", parse_document(calibrate(TEXT, "cells.lib", "5nm"), "my.toml"))
        shipped = load_constants("5nm")
        node = mine.technology()
        assert node.density.gates == close(1e6 / 0.03, rel=1e-5)
        assert node.area_constants.flip_flop == close(0.16 / 0.03, rel=1e-5)
        assert mine.constants["energy.fp16_multiply"].uncertain
        untouched = ("density.sram_cell", "energy.sram_32kb", "timing.fastest", "energy.wire")
        assert all(mine.constants[key] == shipped.constants[key] for key in untouched)
        # What is stated at 28 nm comes out as what the library says of a cycle here.
        cycle = 2 * 0.45 + 2 * 0.35 * 0.75**2
        energy = node.energy_constants.flip_flop_clock * node.scale_from_28nm
        assert energy == close(cycle * 1e-15, rel=1e-4)

    def test_int32_add_is_thirty_two_full_adders(self, reference):
        mine = layered("5nm", parse_document(calibrate(TEXT, "cells.lib", "5nm"), "my.toml"))
        adder = reference.adder(32).energy_j
        add = mine.constants["energy.int32_add"]
        assert (add.low, add.value, add.high) == close((adder, 1.2 * adder, 1.5 * adder))

    def test_energy_goes_with_the_square_of_the_supply_and_leakage_to_both_temperatures(self):
        def energies(node, text=TEXT):
            return layered(node, parse_document(calibrate(text, "f", node), "my.toml"))

        here = energies("5nm")
        there = energies("12nm")  # 0.8 V
        key = "energy.int32_add"
        ratio = there.constants[key].value / here.constants[key].value
        assert ratio == close((0.8 / 0.75) ** 2, rel=1e-5)
        hot = energies("5nm", TEXT.replace("nom_temperature : 25", "nom_temperature : 85"))
        shipped = load_constants("5nm").constants
        swing = shipped["leakage.logic_85c"].value / shipped["leakage.logic_25c"].value
        for key in ("leakage.logic_25c", "leakage.logic_85c"):
            assert hot.constants[key].value == close(here.constants[key].value / swing, rel=1e-5)
        assert here.constants["leakage.logic_85c"].value == close(
            swing * here.constants["leakage.logic_25c"].value, rel=1e-4
        )

    def test_leakage_by_hand(self):
        """nW over um2 of 8 x 8 multiplier and 48 flip-flops, times what of a die is cells."""
        mine = layered("5nm", parse_document(calibrate(TEXT, "f", "5nm"), "my.toml"))
        leak = 64 * 0.18 + 48 * 0.70 + 8 * (0.30 + 0.18) + 48 * 0.60
        area = 64 * 0.04 + 48 * 0.17 + 8 * (0.07 + 0.04) + 48 * 0.16
        found = mine.constants["leakage.logic_25c"]
        assert found.value == close(leak / area * 1e-3 * 0.7 * 0.92, rel=1e-5)
        assert (found.low, found.high) == close((found.value / 2, found.value * 2), rel=1e-5)

    def test_a_multiplier_cell_takes_the_place_of_the_counted_one(self):
        cell = """
  type (byte) { base_type : array; bit_width : 16; }
  cell (MUL16) {
    area : 40; cell_leakage_power : 10;
    bus (A) { bus_type : byte; direction : input; capacitance : 1; }
    bus (B) { bus_type : byte; direction : input; capacitance : 1; }
    bus (P) { bus_type : byte; direction : output;
      internal_power () { related_pin : "A B"; power (scalar) { values ("4"); } } }
  }
}
"""
        text = TEXT.rstrip().removesuffix("}") + cell
        mine = layered("5nm", parse_document(calibrate(text, "f", "5nm", "MUL16"), "my.toml"))
        area = mine.constants["formats.int8_multiply_area"].value
        assert area == close(40 / 4 / 0.03, rel=1e-4)  # 16 bit to 8 bit: a quarter
        assert not mine.constants["energy.fp16_multiply"].uncertain
        with pytest.raises(UserError, match="has no cell 'MUL'"):
            calibrate(text, "f", "5nm", "MUL")

    def test_an_unknown_node(self):
        with pytest.raises(UserError, match="unknown process node '9nm'"):
            calibrate(TEXT, "f", "9nm")


@given(
    st.integers(0, len(TEXT)), st.integers(0, 40), st.sampled_from(["", "{", "}", '"', "x", "0"])
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_broken_is_the_users_error(start, length, instead):
    """A hole or a stray character anywhere: an answer with a place, or a library all the same."""
    places: list[SourceLocation | None] = []
    try:
        calibrate(TEXT[:start] + instead + TEXT[start + length :], "f.lib", "5nm")
    except UserError as error:
        places.append(error.location)
    assert all(str(place).startswith("f.lib:") for place in places)
