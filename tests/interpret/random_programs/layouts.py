"""Transposes, reshapes, slices, windows, concats and pads."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from random_programs.bodies import Body, is_float
from random_programs.nests import generic
from random_programs.writer import MOST_ELEMENTS, Shape, Tensor, Writer

# Layouts.


def copied(writer: Writer, source: Tensor, shape: Shape, results: Sequence[str]) -> None:
    """A generic that reads a tensor through a map, and changes it a little."""
    rank = len(shape)

    def fill(body: Body, ins: list[str], outs: list[str]) -> list[str]:
        del outs
        return ins if writer.choices.flip() else [body.step(source.kind)]

    out = writer.empty(shape, source.kind)
    identity = [f"d{i}" for i in range(rank)]
    generic(writer, [(source, results)], [(out, identity)], [False] * rank, fill)


def window(writer: Writer) -> None:
    """Overlapping or strided windows: ``d0 * s + d1``."""
    choices = writer.choices
    source = writer.value(rank=1)
    axis = choices.integer(0, len(source.shape) - 1)
    size = source.shape[axis]
    width, step = choices.integer(1, min(3, size)), choices.integer(1, 2)
    count = (size - width) // step + 1
    shape = (*source.shape[:axis], count, width, *source.shape[axis + 1 :])
    if prod(shape) > MOST_ELEMENTS:
        return
    results = [f"d{i if i < axis else i + 1}" for i in range(len(source.shape))]
    results[axis] = f"d{axis} * {step} + d{axis + 1}"
    copied(writer, source, shape, results)


def odd_map(writer: Writer) -> None:
    """``floordiv``, ``mod``, a reversal, a diagonal or a constant."""
    choices = writer.choices
    source = writer.value(rank=1)
    axis = choices.integer(0, len(source.shape) - 1)
    size = source.shape[axis]
    results = [f"d{i}" for i in range(len(source.shape))]
    shape = list(source.shape)
    how = choices.pick(("floordiv", "mod", "reverse", "constant", "diagonal"))
    if how in ("floordiv", "mod") and prod(shape) <= MOST_ELEMENTS // 3:
        factor = choices.integer(2, 3)
        shape[axis] = size * factor
        results[axis] = f"d{axis} {how} {factor if how == 'floordiv' else size}"
    elif how == "reverse":
        results[axis] = f"-d{axis} + {size - 1}" if size > 1 else f"d{axis}"
    elif how == "constant":
        results[axis] = str(choices.integer(0, size - 1))
    elif how == "diagonal" and shape.count(size) > 1:
        other = next(i for i, n in enumerate(shape) if n == size)
        results[axis] = f"d{other}"
        if other != axis:
            del shape[axis]
            results = [f"d{i - (i > axis)}" if i != axis else "" for i in range(len(results))]
            results[axis] = results[other]
    if not shape:
        return
    copied(writer, source, tuple(shape), results)


def transpose(writer: Writer) -> None:
    source = writer.value(rank=2)
    order = writer.choices.shuffled(range(len(source.shape)))
    shape = tuple(source.shape[i] for i in order)
    out = writer.empty(shape, source.kind)
    writer.add(
        shape,
        source.kind,
        f"linalg.transpose ins({source.name} : {source.type}) outs({out.name} : {out.type}) "
        f"permutation = {order}",
    )


def expand(writer: Writer) -> None:
    choices = writer.choices
    source = writer.value(rank=1)
    axis = choices.integer(0, len(source.shape) - 1)
    size = source.shape[axis]
    if len(source.shape) > 3:
        return
    inner = choices.pick([n for n in range(1, size + 1) if size % n == 0])
    shape = (*source.shape[:axis], size // inner, inner, *source.shape[axis + 1 :])
    groups, at = [], 0
    for i in range(len(source.shape)):
        width = 2 if i == axis else 1
        groups.append(list(range(at, at + width)))
        at += width
    writer.add(
        shape,
        source.kind,
        f"tensor.expand_shape {source.name} {groups} output_shape {list(shape)} "
        f": {source.type} into $T",
    )


def collapse(writer: Writer) -> None:
    source = writer.value(rank=2)
    axis = writer.choices.integer(0, len(source.shape) - 2)
    size = source.shape[axis] * source.shape[axis + 1]
    shape = (*source.shape[:axis], size, *source.shape[axis + 2 :])
    groups = [[i] for i in range(axis)] + [[axis, axis + 1]]
    groups += [[i] for i in range(axis + 2, len(source.shape))]
    text = f"tensor.collapse_shape {source.name} {groups} : {source.type} into $T"
    writer.add(shape, source.kind, text)


def cut(writer: Writer) -> None:
    """``tensor.extract_slice`` with steps, sometimes without dimensions of size 1."""
    choices = writer.choices
    source = writer.value(rank=1)
    offsets, sizes, steps = [], [], []
    for size in source.shape:
        offset = choices.integer(0, size - 1)
        step = choices.integer(1, 2)
        most = (size - offset - 1) // step + 1
        offsets.append(offset)
        steps.append(step)
        sizes.append(most if choices.flip() else choices.integer(1, most))
    drop = choices.flip(25) and len(sizes) > 1
    shape = tuple(n for n in sizes if n > 1) if drop else tuple(sizes)
    if not shape:
        return
    text = f"tensor.extract_slice {source.name}{offsets} {sizes} {steps} : {source.type} to $T"
    writer.add(shape, source.kind, text)


def concat(writer: Writer) -> None:
    choices = writer.choices
    source = writer.value(rank=1)
    axis = choices.integer(0, len(source.shape) - 1)
    pieces = [source]
    for _ in range(choices.integer(1, 2)):
        fits = [
            t
            for t in (*writer.pool, *writer.weights)
            if t.kind == source.kind
            and len(t.shape) == len(source.shape)
            and all(
                a == b
                for i, (a, b) in enumerate(zip(t.shape, source.shape, strict=True))
                if i != axis
            )
        ]
        pieces.append(choices.pick(fits))
    shape = (
        *source.shape[:axis],
        sum(piece.shape[axis] for piece in pieces),
        *source.shape[axis + 1 :],
    )
    if prod(shape) > MOST_ELEMENTS:
        return
    names = ", ".join(t.name for t in pieces)
    types = ", ".join(t.type for t in pieces)
    writer.add(shape, source.kind, f"tensor.concat dim({axis}) {names} : ({types}) -> $T")


def pad(writer: Writer) -> None:
    """A border of any constant, also -0.0 and infinities."""
    choices = writer.choices
    source = writer.value(rank=1)
    low = [choices.integer(0, 2) for _ in source.shape]
    high = [choices.integer(0, 1) for _ in source.shape]
    shape = tuple(a + n + b for a, n, b in zip(low, source.shape, high, strict=True))
    if prod(shape) > MOST_ELEMENTS:
        return
    kind = source.kind
    infinity = {"f16": "0x7C00", "bf16": "0x7F80", "f32": "0x7F800000"}.get(kind, "2.0")
    floats = ("0.0", "-0.0", "1.5", infinity)
    values = floats if is_float(kind) else ("true", "false") if kind == "i1" else ("0", "3", "-1")
    value = choices.pick(values)
    scalar = writer.name()
    typed = "" if kind == "i1" else f" : {kind}"
    writer.lines.append(f"  {scalar} = arith.constant {value}{typed}")
    indices = ", ".join(f"%i{i}: index" for i in range(len(shape)))
    writer.add(
        shape,
        kind,
        f"tensor.pad {source.name} low{low} high{high} {{\n  ^bb0({indices}):\n"
        f"    tensor.yield {scalar} : {kind}\n  }} : {source.type} to $T",
    )
