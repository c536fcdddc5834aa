"""A window is a shorter context; a page wastes its empty end; narrow entries carry scales."""

from dataclasses import replace

import numpy as np
import pytest
from workloads import table, transformer

from asic_compiler.diagnostics import UserError
from asic_compiler.mapping.profile import Profile
from asic_compiler.ppa import precision
from asic_compiler.ppa.kv_cache import page_overhead, windowed
from asic_compiler.technology.library import load_node
from asic_compiler.workload.table import OperatorClass, OperatorKind

NODE = load_node("3nm")
SHAPE = {"layers": 3, "hidden": 512, "heads": 8, "kv_heads": 2, "head_dim": 64, "ffn": 1536,
         "vocab": 4096, "batch": 2}  # fmt: skip


def test_a_window_costs_what_a_context_of_its_length_costs():
    """The steady state of a ring of 256 tokens is a decode step with 256 tokens before it."""
    shrunk = windowed(transformer(**SHAPE, context=1024), 256)
    short = transformer(**SHAPE, context=256)
    assert shrunk.classes == short.classes
    assert np.array_equal(shrunk.sequence, short.sequence)
    assert np.array_equal(shrunk.edges, short.edges)
    assert shrunk.context == 256
    assert shrunk.names == short.names


def test_a_window_as_long_as_the_context_changes_nothing():
    whole = transformer(**SHAPE, context=512)
    assert windowed(whole, 512) is whole
    assert windowed(whole, 4096) is whole


@pytest.mark.parametrize("change", [{"phase": "prefill"}, {"context": 0}])
def test_a_window_needs_a_decode_step_with_a_cache(change):
    with pytest.raises(UserError, match="kv_window needs a decode step"):
        windowed(replace(transformer(**SHAPE, context=512), **change), 64)
    matmul = OperatorClass(OperatorKind.MATMUL, 1, 1, 64, 64, weight_bytes=8192)
    with pytest.raises(UserError):
        windowed(table([matmul], context=512), 64)


def test_a_window_on_top_of_a_models_own_windows():
    # Appends of a layer with a shorter cache would have shrunk by the ratio of the whole context's.
    with pytest.raises(UserError, match="kv_window is for models whose layers all attend"):
        windowed(replace(transformer(**SHAPE, context=512), context=1024), 64)


def test_pages_waste_their_empty_end_and_a_table():
    whole = transformer(**SHAPE, context=1000)
    assert page_overhead(whole, None, NODE) == 1.0
    # 63 pages of 16 tokens hold 1,000; 2 x 2 heads, keys and values, 3 layers have a table each.
    entries = 3 * 2 * (2 * 2) * 63 * 4
    assert page_overhead(whole, 16, NODE) == pytest.approx(
        63 * 16 / 1000 + entries / whole.total("kv_bytes")
    )
    assert page_overhead(whole, 1, NODE) > page_overhead(whole, 8, NODE) > 1.0
    with pytest.raises(UserError, match="at least one token"):
        page_overhead(whole, 0, NODE)


def test_a_paged_cache_takes_more_room_and_no_more_time(make_model, draw):
    whole = transformer(**SHAPE, context=1000)
    d = draw(50, 31).with_(heterogeneity=np.zeros(50))
    plain = make_model(Profile(whole)).evaluate(d)
    paged = make_model(Profile(whole, page_overhead(whole, 512, NODE))).evaluate(d)
    assert (paged.dmem_average >= plain.dmem_average).all()
    assert (paged.dmem_average > plain.dmem_average).any()
    assert (paged.area_mm2 >= plain.area_mm2).all()


def test_narrow_entries_carry_a_scale_for_each_head_and_token(draw):
    """64 elements of a head share 16 bits of scale; 4-bit weights share one for 128."""
    profile = Profile(transformer(**SHAPE, context=512))
    assert profile.head_dim == 64.0
    assert Profile(transformer(**SHAPE, context=32)).head_dim == 64.0  # shorter than a head
    d = draw(4, 1).with_(
        kv_bits=np.array([16.0, 8.0, 4.0, 4.0]), weight_bits=np.array([16.0, 8.0, 4.0, 16.0])
    )
    stored = precision.stored(d, profile.head_dim, NODE)
    assert stored.kv_bits.tolist() == [16.0, 8.25, 4.25, 4.25]
    assert stored.weight_bits.tolist() == [16.0, 8.0, 4.125, 16.0]
    whole = d.with_(kv_bits=np.full(4, 16.0), weight_bits=np.full(4, 8.0))
    assert precision.stored(whole, 64.0, NODE) is whole
