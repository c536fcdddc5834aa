"""Yield and good dies, by hand and against a die whose count is known."""

import pytest

from asic_compiler.ppa.manufacture import defect_density, die_yield, dies_per_wafer, manufacture
from asic_compiler.technology.library import NODE_NAMES, load_node


def test_the_negative_binomial_law_by_hand():
    node = load_node("7nm")
    assert defect_density(node) == pytest.approx(0.09 / 100)
    # 8.26 cm2 x 0.09 / cm2 = 0.7434 defects, alpha 3.
    assert die_yield(826.0, node) == pytest.approx((1 + 0.7434 / 3) ** -3)
    assert die_yield(0.0, node) == 1.0


def test_a_large_die_fits_a_wafer_about_sixty_times():
    """The usual figure for a die of 826 mm2 is 60 to 65 candidates a wafer."""
    assert 55 <= dies_per_wafer(826.0, load_node("7nm")) <= 68
    assert 600 <= dies_per_wafer(98.0, load_node("7nm")) <= 660


@pytest.mark.parametrize("name", NODE_NAMES)
def test_smaller_dies_yield_more_of_themselves(name):
    node = load_node(name)
    areas = [10.0, 100.0, 400.0, 858.0]
    yields = [die_yield(a, node) for a in areas]
    assert yields == sorted(yields, reverse=True)
    good = [dies_per_wafer(a, node) * y for a, y in zip(areas, yields, strict=True)]
    assert good == sorted(good, reverse=True)
    assert 0.05 / 100 <= defect_density(node) <= 0.15 / 100


def test_a_chip_of_several_dies_takes_all_of_them():
    node = load_node("3nm")
    made = manufacture(1600.0, 2, node)
    one = manufacture(800.0, 1, node)
    assert made.die_area_mm2 == 800.0
    assert made.yield_of_die == one.yield_of_die
    assert made.chips_per_wafer == pytest.approx(one.chips_per_wafer / 2)
    assert one.good_dies_per_wafer == pytest.approx(one.dies_per_wafer * one.yield_of_die)
