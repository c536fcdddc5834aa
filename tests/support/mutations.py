"""Ways to break a program, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import Operation

from asic_compiler.dialects import tcc
from asic_compiler.dialects.asic import RegionAttr
from asic_compiler.dialects.tcc.attrs import CutAttr

Mutation: TypeAlias = Callable[[ModuleOp, np.random.Generator], str | None]
"""Breaks a module in place and says how; None where there is nothing of the kind to break."""


def _pick(module: ModuleOp, rng: np.random.Generator, *kinds: type[Operation]) -> Operation | None:
    found = [op for op in module.walk() if isinstance(op, kinds)]
    return found[int(rng.integers(len(found)))] if found else None


def _cutting(module: ModuleOp, rng: np.random.Generator) -> Operation | None:
    found = [
        op
        for op in module.walk()
        if isinstance(op.properties.get("cut"), CutAttr) and not isinstance(op, tcc.ReduceOp)
    ]
    return found[int(rng.integers(len(found)))] if found else None


def delete_a_wait(module: ModuleOp, rng: np.random.Generator) -> str | None:
    op = _pick(module, rng, tcc.WaitOp)
    if op is None:
        return None
    text = str(op)
    op.detach()
    op.erase()
    return text


def wait_for_less(module: ModuleOp, rng: np.random.Generator) -> str | None:
    found = [op for op in module.walk() if isinstance(op, tcc.WaitOp) and len(op.tokens) > 1]
    if not found:
        return None
    op = found[int(rng.integers(len(found)))]
    text = str(op)
    op.operands = list(op.operands)[1:]
    return text


def wait_later(module: ModuleOp, rng: np.random.Generator) -> str | None:
    """Behind the instruction that reads what was waited for."""
    found = []
    for op in module.walk():
        following = op.next_op
        if isinstance(op, tcc.WaitOp) and isinstance(following, tcc.Instruction):
            buffers = {b for t in op.tokens for b in t.owner.results if b is not t}
            if any(operand in buffers for operand in following.operands):
                found.append((op, following))
    if not found:
        return None
    op, following = found[int(rng.integers(len(found)))]
    op.detach()
    block = following.parent
    assert block is not None
    block.insert_op_after(op, following)
    return str(op)


def shift_a_slice(module: ModuleOp, rng: np.random.Generator) -> str | None:
    op = _cutting(module, rng)
    if op is None:
        return None
    cut: CutAttr = op.properties["cut"]
    _, _, width, height = cut.region.rectangle
    if width * height == 1:
        return None
    first = (cut.first.data + 1) % (width * height)
    op.properties["cut"] = CutAttr.of(
        *cut.factors, cut.region, first, cut.stride.data, bool(cut.rows_first.data)
    )
    return f"{op.name} of operator {op.position} begins a tile later"


def move_a_region(module: ModuleOp, rng: np.random.Generator) -> str | None:
    op = _cutting(module, rng)
    if op is None:
        return None
    cut: CutAttr = op.properties["cut"]
    x, y, width, height = cut.region.rectangle
    region = RegionAttr.of(x + 1, y, width, height)
    op.properties["cut"] = CutAttr.of(
        *cut.factors, region, cut.first.data, cut.stride.data, bool(cut.rows_first.data)
    )
    return f"{op.name} of operator {op.position} lies a column further"


def swap_cut_factors(module: ModuleOp, rng: np.random.Generator) -> str | None:
    found = [
        op
        for op in module.walk()
        if isinstance(cut := op.properties.get("cut"), CutAttr)
        and cut.m != cut.n
        and not isinstance(op, tcc.ReduceOp)
    ]
    if not found:
        return None
    op = found[int(rng.integers(len(found)))]
    cut = op.properties["cut"]
    b, m, n, k = cut.factors
    op.properties["cut"] = CutAttr.of(
        b, n, m, k, cut.region, cut.first.data, cut.stride.data, bool(cut.rows_first.data)
    )
    return f"{op.name} of operator {op.position} has rows and columns exchanged"


def move_a_buffer(module: ModuleOp, rng: np.random.Generator) -> str | None:
    """To where another buffer of its program lies."""
    found = [op for op in module.walk() if isinstance(op, tcc.Instruction) and op.addresses]
    if len(found) < 2:
        return None
    op = found[int(rng.integers(len(found)))]
    others = [o for o in found if o.parent is op.parent and o.addresses[0] != op.addresses[0]]
    if not others:
        return None
    near = sorted(others, key=lambda o: abs(o.position - op.position))[:6]
    other = near[int(rng.integers(len(near)))]
    op.set_addresses([other.addresses[0], *op.addresses[1:]])
    return f"{op.name} of operator {op.position} writes over {other.name} of {other.position}"


def swap_operands(module: ModuleOp, rng: np.random.Generator) -> str | None:
    found = [
        op
        for op in module.walk()
        if isinstance(op, tcc.VectorOp | tcc.MmaDmemOp | tcc.ConcatOp)
        and len(op.operands) > 1
        and op.operands[0] is not op.operands[1]
        and op.operands[0].type == op.operands[1].type
    ]
    if not found:
        return None
    op = found[int(rng.integers(len(found)))]
    operands = list(op.operands)
    operands[0], operands[1] = operands[1], operands[0]
    op.operands = operands
    return f"{op.name} of operator {op.position} reads its operands in the wrong order"


def swap_channels(module: ModuleOp, rng: np.random.Generator) -> str | None:
    found = [op for op in module.walk() if isinstance(op, tcc.ReceiveOp)]
    pairs = [
        (a, b)
        for i, a in enumerate(found)
        for b in found[i + 1 :]
        if a.parent is b.parent and a.channel != b.channel and a.buffer.type == b.buffer.type
    ]
    if not pairs:
        return None
    a, b = pairs[int(rng.integers(len(pairs)))]
    a.properties["channel"], b.properties["channel"] = b.channel, a.channel
    return f"operators {a.position} and {b.position} receive from each other's channel"


def delete_a_send(module: ModuleOp, rng: np.random.Generator) -> str | None:
    op = _pick(module, rng, tcc.SendOp, tcc.MulticastOp)
    if op is None:
        return None
    text = str(op)
    for use in list(op.token.uses):
        wait = use.operation
        rest = [token for token in wait.operands if token is not op.token]
        if rest:
            wait.operands = rest
        else:
            wait.detach()
            wait.erase()
    op.detach()
    op.erase()
    return text


def change_a_piece(module: ModuleOp, rng: np.random.Generator) -> str | None:
    found = [
        op
        for op in module.walk()
        if isinstance(op, tcc.MmaOp | tcc.ReceiveOp | tcc.SendOp | tcc.MulticastOp)
        and op.piece is not None
    ]
    if not found:
        return None
    op = found[int(rng.integers(len(found)))]
    index, count = op.piece.get_values()
    op.properties["piece"] = DenseArrayBase.from_list(i64, [(index + 1) % count, count])
    return f"{op.name} of operator {op.position} takes the next piece"


def swap_tiles(module: ModuleOp, rng: np.random.Generator) -> str | None:
    """Two programs change places, as far as they are of one size."""
    programs = [op for op in module.ops if isinstance(op, tcc.ProgramOp) and op.instructions]
    pairs = [
        (a, b)
        for i, a in enumerate(programs)
        for b in programs[i + 1 :]
        if [p.rectangle[2:] for p in a.places] == [p.rectangle[2:] for p in b.places]
    ]
    if not pairs:
        return None
    a, b = pairs[int(rng.integers(len(pairs)))]
    a.properties["places"], b.properties["places"] = b.places, a.places
    return f"@{a.sym_name.data} and @{b.sym_name.data} change places"


def combine_differently(module: ModuleOp, rng: np.random.Generator) -> str | None:
    op = _pick(module, rng, tcc.ReduceOp)
    if not isinstance(op, tcc.ReduceOp):
        return None
    names = [name.data for name in op.combine]
    other = "arith.maximumf" if names[0] == "arith.addf" else "arith.addf"
    op.properties["combine"] = ArrayAttr([StringAttr(other), *op.combine.data[1:]])
    return f"operator {op.position} combines with {other}"


def another_weight(module: ModuleOp, rng: np.random.Generator) -> str | None:
    weights = [op for op in module.ops if isinstance(op, tcc.WeightOp)]
    found = [
        (op, other)
        for op in module.walk()
        if isinstance(op, tcc.MmaOp)
        for other in weights
        if other.sym_name != op.weight.root_reference
        and any(
            other.tensor == own.tensor
            for own in weights
            if own.sym_name == op.weight.root_reference
        )
    ]
    if not found:
        return None
    op, other = found[int(rng.integers(len(found)))]
    op.properties["weight"] = type(op.weight)(other.sym_name.data)
    return f"operator {op.position} multiplies with @{other.sym_name.data}"


def another_slot(module: ModuleOp, rng: np.random.Generator) -> str | None:
    found = [op for op in module.walk() if isinstance(op, tcc.KvAppendOp) and op.slot.value.data]
    if not found:
        return None
    op = found[int(rng.integers(len(found)))]
    op.properties["slot"] = IntegerAttr(op.slot.value.data - 1, i64)
    return f"operator {op.position} appends a slot earlier"


MUTATIONS: tuple[Mutation, ...] = (
    delete_a_wait,
    wait_for_less,
    wait_later,
    shift_a_slice,
    move_a_region,
    swap_cut_factors,
    move_a_buffer,
    swap_operands,
    swap_channels,
    delete_a_send,
    change_a_piece,
    swap_tiles,
    combine_differently,
    another_weight,
    another_slot,
)


def mutants(module: ModuleOp, count: int, seed: int) -> Iterator[tuple[str, str, ModuleOp]]:
    """``count`` broken copies of a module: kind, what was done, and the copy."""
    rng = np.random.default_rng(seed)
    made = attempts = 0
    while made < count and attempts < 8 * count:
        mutation = MUTATIONS[attempts % len(MUTATIONS)]
        attempts += 1
        copy = module.clone()
        what = mutation(copy, rng)
        if what is not None:
            made += 1
            yield mutation.__name__, what, copy
