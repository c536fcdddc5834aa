"""What a module of programs computes with, beside the model's own numbers."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from asic_compiler.dialects import tcc
from asic_compiler.dialects.tcc.contraction import CONTRACTIONS
from asic_compiler.simulate.packed import is_quantised


def formats_of(module: ModuleOp) -> list[str]:
    """Roundings that a program has and the model has not, as people read them; none of most."""
    weights: set[int] = set()
    caches: set[int] = set()
    numbers: set[str] = set()
    for op in module.body.block.ops:
        match op:
            case tcc.WeightOp() | tcc.CacheOp():
                bits = op.bits.value.data
                if is_quantised(bits, op.tensor.element_type):
                    (weights if isinstance(op, tcc.WeightOp) else caches).add(bits)
            case tcc.ProgramOp():
                products = [own for own in op.instructions if isinstance(own, CONTRACTIONS)]
                numbers |= {own.numbers.data for own in products if own.numbers is not None}
            case _:
                pass
    return [
        *(f"weights of {bits} bits" for bits in sorted(weights)),
        *(f"a cache of {bits} bits" for bits in sorted(caches)),
        *(f"products of {name}" for name in sorted(numbers)),
    ]
