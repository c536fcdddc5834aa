"""What random programs are made of: one function an operation on tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from random_programs.bodies import BITS, FLOATS, INTEGERS, Body, is_float
from random_programs.layouts import collapse, concat, cut, expand, odd_map, pad, transpose, window
from random_programs.nests import Mapped, generic, numeric, operands
from random_programs.writer import MOST_ELEMENTS, Shape, Tensor, Writer

# Contractions.


def contraction(writer: Writer) -> None:
    """A sum of products over any dimensions, in any order, with a weight or another value."""
    contracted(writer, writer.value(numeric, rank=1))


def contracted(writer: Writer, left: Tensor) -> None:
    choices = writer.choices
    letters = [f"d{i}" for i in range(len(left.shape))]
    sizes = dict(zip(letters, left.shape, strict=True))
    order = choices.shuffled(letters)
    folded = order[: choices.integer(1, min(2, len(order)))]
    batch = [letter for letter in order if letter not in folded and choices.flip(30)]
    columns = [f"d{len(letters)}"] if choices.flip(85) else []
    sizes |= dict.fromkeys(columns, choices.integer(1, 5))
    right_letters = choices.shuffled([*folded, *batch, *columns])
    shape = tuple(sizes[letter] for letter in right_letters)
    right = writer.like(shape, left.kind) if choices.flip(30) else None
    if right is None:
        right, right_letters = weight(writer, sizes, right_letters, left.kind)
    parallel = [x for x in (*letters, *columns) if x not in folded]
    out_letters = choices.shuffled(parallel) if choices.flip(30) else parallel
    kind = choices.pick(wider(left.kind))
    out = start(writer, tuple(sizes[x] for x in out_letters), kind)
    pair: list[Mapped] = [(left, letters), (right, right_letters)]
    if choices.flip(25):
        pair.reverse()

    def fill(body: Body, ins: list[str], outs: list[str]) -> list[str]:
        signs = ("extsi", "extui") if choices.flip(30) else ("extsi", "extsi")
        wide = [widened(body, n, left.kind, kind, s) for n, s in zip(ins, signs, strict=True)]
        letter = "f" if is_float(kind) else "i"
        product = body.new(kind, f"arith.mul{letter} {wide[0]}, {wide[1]} : {kind}")
        terms = [outs[0], product] if choices.flip() else [product, outs[0]]
        return [body.new(kind, f"arith.add{letter} {terms[0]}, {terms[1]} : {kind}")]

    loops = sorted(sizes, key=lambda x: int(x[1:]))
    generic(writer, pair, [(out, out_letters)], [x in folded for x in loops], fill)


def weight(
    writer: Writer, sizes: dict[str, int], letters: list[str], kind: str
) -> tuple[Tensor, list[str]]:
    """A weight over these loops: rather one that is there, as it lies or transposed."""
    shared = [t for t in writer.weights if t.kind == kind]
    for tensor in shared:
        for order in (letters, letters[::-1]):
            if tensor.shape == tuple(sizes[x] for x in order) and writer.choices.flip(70):
                return tensor, order
    return writer.constant(tuple(sizes[x] for x in letters), kind), letters


def widened(body: Body, name: str, own: str, kind: str, sign: str) -> str:
    if own == kind:
        return name
    return body.new(kind, f"arith.{'extf' if is_float(own) else sign} {name} : {own} to {kind}")


def wider(kind: str) -> list[str]:
    """Types that a product of a type may accumulate in."""
    family = FLOATS if is_float(kind) else INTEGERS
    return [kind, *(other for other in family if BITS[other] > BITS[kind])][:3]


def start(writer: Writer, shape: Shape, kind: str) -> Tensor:
    """What an accumulator holds at first."""
    choices = writer.choices
    tensor = writer.like(shape, kind) if choices.flip(20) else None
    if tensor is not None:
        return tensor
    zero = "0.0" if is_float(kind) else "0"
    odd = ("5.0", "-0.0", "1.0", "-2.5") if is_float(kind) else ("5", "1", "-3")
    if kind == "i1":
        odd = ("1", "-1")  # all that it has beside 0
    return writer.filled(shape, kind, choices.pick(odd) if choices.flip(25) else zero)


def named_product(writer: Writer) -> None:
    """``linalg.matmul`` and ``linalg.batch_matmul`` in one type."""
    choices = writer.choices
    left = writer.value(numeric, rank=2)
    if len(left.shape) > 3:
        return
    *batch, rows, folded = left.shape
    columns = choices.integer(1, 5)
    shape = (*batch, folded, columns)
    right = writer.like(shape, left.kind) or writer.constant(shape, left.kind)
    out = start(writer, (*batch, rows, right.shape[-1]), left.kind)
    name = "batch_matmul" if batch else "matmul"
    writer.add(
        out.shape,
        out.kind,
        f"linalg.{name} ins({operands([left, right])}) outs({out.name} : {out.type}) -> $T",
    )


# Elementwise.


def read_map(writer: Writer, tensor: Tensor, sizes: Sequence[int]) -> list[str] | None:
    """A map from an iteration space that reads a tensor: each dimension by a loop or a constant."""
    results: list[str] = []
    for size in tensor.shape:
        loops = [f"d{i}" for i, loop in enumerate(sizes) if loop == size and f"d{i}" not in results]
        if size == 1 or (not loops) or writer.choices.flip(5):
            results.append(str(writer.choices.integer(0, size - 1)))
        else:
            results.append(loops[0] if writer.choices.flip(70) else writer.choices.pick(loops))
    return results


def elementwise(writer: Writer) -> None:
    """One to three tensors, broadcast, through a body of mixed types; sometimes two results."""
    choices = writer.choices
    first = writer.value(rank=1)
    sizes = choices.shuffled(first.shape) if choices.flip(15) else list(first.shape)
    if choices.flip(25) and prod(sizes) <= MOST_ELEMENTS // 4:
        sizes.insert(choices.integer(0, len(sizes)), choices.integer(1, 4))
    inputs: list[Mapped] = [(first, read_map(writer, first, sizes) or [])]
    for _ in range(choices.integer(0, 2)):
        if choices.flip(30):
            shape = (choices.pick(sizes),) if choices.flip() else tuple(sizes)
            other = writer.constant(shape, first.kind)
        else:
            other = writer.value()
        inputs.append((other, read_map(writer, other, sizes) or []))
    kind = choices.pick((first.kind, first.kind, first.kind, *FLOATS[:3], *INTEGERS[:2], "i1"))
    kinds = [kind, choices.pick(("f32", "i32"))] if choices.flip(15) else [kind]
    identity = [f"d{i}" for i in range(len(sizes))]
    outputs: list[Mapped] = []
    for own in kinds:
        order = choices.shuffled(identity) if choices.flip(10) and len(kinds) == 1 else identity
        shape = tuple(sizes[int(x[1:])] for x in order)
        outputs.append((writer.empty(shape, own), order))

    def fill(body: Body, ins: list[str], outs: list[str]) -> list[str]:
        del ins, outs
        return [body.steps(own, 4) for own in kinds]

    generic(writer, inputs, outputs, [False] * len(sizes), fill)


# Reductions.

_FOLDS = ("sum", "difference", "alternating", "product", "horner", "maximum", "last", "odd")


def reduction(writer: Writer) -> None:
    """A fold with a body and a start that need not be those of a sum; sometimes two results."""
    choices = writer.choices
    source = writer.value(numeric, rank=1)
    if choices.flip(25):  # long rows, which several tiles may fold parts of
        shape = (choices.integer(1, 2), choices.pick((24, 48, 96)))
        source = writer.argument(shape, choices.pick(("f32", "f16", "i32")))
    rank = len(source.shape)
    loops = [f"d{i}" for i in range(rank)]
    folded = choices.shuffled(loops)[: min(rank, 2 if choices.flip(60) else 1)]
    kept = [x for x in loops if x not in folded]
    if choices.flip(15):
        kept = choices.shuffled(kept)
    shape = tuple(source.shape[int(x[1:])] for x in kept)
    kind = choices.pick(wider(source.kind))
    how = choices.pick(_FOLDS)
    kinds = [kind, kind] if choices.flip(12) else [kind]
    outs = [fold_start(writer, shape, kind, how) for _ in kinds]
    inputs: list[Mapped] = [(source, loops)]
    if choices.flip(20):
        other = writer.like(source.shape, source.kind)
        inputs += [(other, loops)] if other is not None else []

    def fill(body: Body, ins: list[str], accumulators: list[str]) -> list[str]:
        value = widened(body, ins[0], source.kind, kind, "extsi")
        if len(ins) > 1 or choices.flip(25):
            body.values = [(value, kind), *((name, source.kind) for name in ins[1:])]
            value = body.step(kind)
        found = [fold(body, how, value, accumulators[0], kind)]
        if len(kinds) > 1:
            found.append(fold(body, "sum", found[0], accumulators[1], kind))
        return found

    generic(writer, inputs, [(out, kept) for out in outs], [x in folded for x in loops], fill)


def fold_start(writer: Writer, shape: Shape, kind: str, how: str) -> Tensor:
    if how == "product":
        return writer.filled(shape, kind, "1.0" if is_float(kind) else "1")
    if how == "maximum" and is_float(kind):
        infinity = {"f16": "0xFC00", "bf16": "0xFF80", "f32": "0xFF800000"}.get(kind)
        return writer.filled(shape, kind, infinity or "0xFFF0000000000000")
    return start(writer, shape, kind)


def fold(body: Body, how: str, value: str, total: str, kind: str) -> str:
    """The next value of an accumulator."""
    letter = "f" if is_float(kind) else "i"

    def two(name: str, a: str, b: str) -> str:
        return body.new(kind, f"arith.{name}{letter} {a}, {b} : {kind}")

    match how:
        case "sum":
            return two("add", total, value)
        case "difference":
            return two("sub", total, value)
        case "alternating":
            return two("sub", value, total)
        case "product":
            half = body.constant(kind, "0.5" if is_float(kind) else "1")
            return two("mul", total, two("add", value, half))
        case "horner":
            half = body.constant(kind, "0.5" if is_float(kind) else "3")
            return two("add", two("mul", total, half), value)
        case "maximum":
            largest = "maximumf" if is_float(kind) else "maxsi"
            return body.new(kind, f"arith.{largest} {total}, {value} : {kind}")
        case "last":
            return two("add", value, body.constant(kind))
        case _:
            body.values = [(value, kind), (total, kind)]
            return body.step(kind)


def named_reduction(writer: Writer) -> None:
    """``linalg.reduce`` over some dimensions."""
    choices = writer.choices
    source = writer.value(numeric, rank=1)
    rank = len(source.shape)
    folded = sorted(choices.shuffled(range(rank))[: choices.integer(1, min(2, rank))])
    shape = tuple(size for i, size in enumerate(source.shape) if i not in folded)
    kind, letter = source.kind, "f" if is_float(source.kind) else "i"
    out = start(writer, shape, kind)
    writer.add(
        shape,
        kind,
        f"linalg.reduce ins({source.name} : {source.type}) outs({out.name} : {out.type}) "
        f"dimensions = {folded}\n  (%x: {kind}, %s: {kind}) {{\n"
        f"    %t = arith.add{letter} %s, %x : {kind}\n    linalg.yield %t : {kind}\n  }}",
    )


def insert(writer: Writer) -> None:
    """``tensor.insert_slice`` into a filled tensor or another value."""
    choices = writer.choices
    target = writer.value(rank=1)
    if choices.flip(30) and target.kind != "i1":
        target = writer.filled(target.shape, target.kind, "1.5" if is_float(target.kind) else "2")
    axis = choices.integer(0, len(target.shape) - 1)
    size = choices.integer(1, target.shape[axis])
    offset = choices.integer(0, target.shape[axis] - size)
    insert_at(writer, target, axis, size, offset)


def insert_at(writer: Writer, target: Tensor, axis: int, size: int, offset: int) -> Tensor:
    shape = (*target.shape[:axis], size, *target.shape[axis + 1 :])
    piece = writer.like(shape, target.kind) or writer.argument(shape, target.kind)
    offsets = [offset if i == axis else 0 for i in range(len(shape))]
    return writer.add(
        target.shape,
        target.kind,
        f"tensor.insert_slice {piece.name} into {target.name}{offsets} {list(shape)} "
        f"{[1] * len(shape)} : {piece.type} into $T",
    )


def append(writer: Writer) -> None:
    """A state that is an argument, written in a slice and returned; its old value may be read."""
    choices = writer.choices
    cached = [t for t in writer.arguments if len(t.shape) > 1]
    if cached and choices.flip():
        cache = choices.pick(cached)
    else:
        shape = tuple(choices.integer(2, 4) for _ in range(choices.integer(2, 3)))
        cache = writer.argument(shape, choices.pick(("f32", "f16")))
    axis = choices.integer(0, len(cache.shape) - 1)
    size = choices.integer(1, max(1, cache.shape[axis] - 1))
    # Often the last slots, as a decoder writes them.
    last = cache.shape[axis] - size
    made = insert_at(
        writer, cache, axis, size, last if choices.flip() else choices.integer(0, last)
    )
    if choices.flip(85):
        writer.returned.append(made)
    if choices.flip(60) and cache in writer.pool:
        writer.pool.remove(cache)  # so that mostly the new state alone is read
    if choices.flip(80):
        contracted(writer, made)  # as attention does
        if choices.flip(70):
            writer.returned.append(writer.pool[-1])


# Gathers.


def gather(writer: Writer) -> None:
    """Elements of a table at an argument's integers, or at integers kept inside by arithmetic."""
    choices = writer.choices
    table = writer.constant((choices.integer(2, 6), choices.integer(1, 4)), "f32")
    if choices.flip(40):
        table = writer.value(rank=1)
    axis = choices.integer(0, len(table.shape) - 1) if choices.flip(30) else 0
    kind = choices.pick(("i64", "i32"))
    shape = tuple(choices.integer(1, 4) for _ in range(choices.integer(1, 2)))
    indices = writer.argument(shape, kind, below=table.shape[axis])
    rows = [size for i, size in enumerate(table.shape) if i != axis]
    sizes = (*shape, *rows)
    if prod(sizes) > MOST_ELEMENTS:
        return
    rank = len(sizes)

    def fill(body: Body, ins: list[str], outs: list[str]) -> list[str]:
        del outs
        where = ins[0]
        if choices.flip(25):  # as PyTorch's negative indices are written
            zero, size = body.constant(kind, "0"), body.constant(kind, str(table.shape[axis]))
            below = body.new("i1", f"arith.cmpi slt, {where}, {zero} : {kind}")
            wrapped = body.new(kind, f"arith.addi {where}, {size} : {kind}")
            where = body.new(kind, f"arith.select {below}, {wrapped}, {where} : {kind}")
        at = body.new("index", f"arith.index_cast {where} : {kind} to index")
        loops = iter(
            [body.new("index", f"linalg.index {i} : index") for i in range(len(shape), rank)]
        )
        places = ", ".join(at if i == axis else next(loops) for i in range(len(table.shape)))
        found = body.new(table.kind, f"tensor.extract {table.name}[{places}] : {table.type}")
        body.values = [(found, table.kind)]
        return [found if choices.flip(70) else body.step(table.kind)]

    read = [f"d{i}" for i in range(len(shape))]
    out = writer.empty(sizes, table.kind)
    identity = [f"d{i}" for i in range(rank)]
    generic(writer, [(indices, read)], [(out, identity)], [False] * rank, fill)


OPERATIONS: tuple[Callable[[Writer], None], ...] = (
    contraction, contraction, contraction, named_product, elementwise, elementwise, elementwise,
    reduction, reduction, named_reduction, transpose, expand, collapse, cut, window, odd_map,
    concat, pad, insert, append, append, gather,
)  # fmt: skip
