"""Which reductions may be cut along their rows: every part begins at the start."""

import pytest
from program_models import decoder_text, parse
from xdsl.dialects.builtin import ArrayAttr, FloatAttr, f32

from asic_compiler.dialects import asic
from asic_compiler.workload.combining import can_be_cut


@pytest.mark.parametrize(("start", "allowed"), [(0.0, True), (5.0, False)])
def test_a_sum_that_starts_at_something_stays_on_one_tile(start: float, allowed: bool) -> None:
    """Sixteen designs gave a wrong sum: each part had added the start once."""
    module = parse(decoder_text())
    op = next(op for op in module.walk() if isinstance(op, asic.ReduceOp))
    op.properties["init"] = ArrayAttr([FloatAttr(start, f32)])
    assert can_be_cut(op) is allowed
