"""Garbage is looked for where something runs long, and is left aside while a model is held."""

import gc
import weakref

import pytest

from asic_compiler.garbage import collected, uncollected


class Ring:
    """An object that only a collection frees."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def as_before():
    assert gc.isenabled()
    yield
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_nothing_is_collected_inside_also_when_it_ends_badly():
    def fails():
        with uncollected():
            assert not gc.isenabled()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert gc.isenabled()


def test_a_search_inside_frees_what_it_makes_and_not_what_was_there():
    with uncollected():
        old = weakref.ref(Ring())
        with collected():
            assert gc.isenabled()
            new = weakref.ref(Ring())
            gc.collect()
            assert new() is None
            assert old() is not None
        assert not gc.isenabled()
    gc.collect()
    assert old() is None


def test_alone_it_changes_nothing():
    with collected():
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0


def test_who_had_switched_it_off_finds_it_off():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
