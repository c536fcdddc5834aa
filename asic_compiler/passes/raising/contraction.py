"""Matrix products: any product-sum over two tensors, with its batch sorted into m, n and k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    AnyFloat,
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    i1,
)
from xdsl.ir import Attribute, Operation

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import (
    Body,
    BodyBuilder,
    Instruction,
    is_negative_zero,
    is_zero,
)
from asic_compiler.passes.raising.builder import (
    GraphBuilder,
    Splat,
    Tensor,
    UnsupportedError,
)
from asic_compiler.passes.raising.graph import Access, Elementwise, Matmul, whole
from asic_compiler.passes.raising.views import Linear, View

_ADD = (arith.AddfOp, arith.AddiOp)
_MULTIPLY = (arith.MulfOp, arith.MuliOp)
_CONVERSIONS = (
    arith.ExtFOp,
    arith.TruncFOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
    arith.TruncIOp,
    arith.SIToFPOp,
    arith.UIToFPOp,
    arith.FPToSIOp,
    arith.FPToUIOp,
)


@dataclass(frozen=True, slots=True)
class Factors:
    """What a product multiplies: a body of one argument for each operand."""

    lhs: Body
    rhs: Body


def factors(body: Body) -> Factors | None:
    """The factors of a folding body over two inputs that is ``acc + f(a) * g(b)``.

    Floats are at most converted by f and g; what they do to integers is any function. Of single
    bits there is no product: their sum is no wrapping sum of the machine.
    """
    if len(body.arguments) != 3 or len(body.results) != 1:
        return None
    accumulator = body.arguments[2]
    if accumulator == i1 or not isinstance(accumulator, AnyFloat | IntegerType):
        return None
    added = _operands(body, body.results[0], _ADD)
    if added is None or 2 not in added:
        return None
    product = _operands(body, added[1 - added.index(2)], _MULTIPLY)
    if product is None:
        return None
    found = dict(_factor(body, value) for value in product)
    if set(found) != {0, 1}:
        return None
    kinds = [i.kind for factor in found.values() for i in factor.instructions]
    if isinstance(accumulator, AnyFloat) and not all(kind in _CONVERSIONS for kind in kinds):
        return None
    return Factors(found[0], found[1])


def _operands(body: Body, value: int, kinds: tuple[type[Operation], ...]) -> tuple[int, int] | None:
    position = value - len(body.arguments)
    if position < 0 or body.instructions[position].kind not in kinds:
        return None
    first, second = body.instructions[position].operands
    return first, second


def _factor(body: Body, value: int) -> tuple[int, Body]:
    """The one argument that a value depends on (-1 if it is not one) and how it does."""
    whole_body = Body(body.arguments, body.instructions, (value,))
    builder = BodyBuilder(body.arguments)
    results = builder.inline(whole_body, range(len(body.arguments)), {})
    factor, kept = builder.finish(results)
    return kept[0] if len(kept) == 1 and not factor.uses_index else -1, factor


def converted(
    builder: GraphBuilder, op: Operation, operands: Sequence[Access], parts: Factors
) -> tuple[Access, Access]:
    """The operands of a product as the machine multiplies them.

    It reads both operands in one type, takes narrow integers with their sign, and sums floats in
    f32, or f64 if they are f64. A conversion that this says already is left out; any other is done
    before, on the whole operand.
    """
    both = (parts.lhs, parts.rhs)
    narrow = both[0].arguments == both[1].arguments
    implied = arith.ExtFOp, arith.ExtSIOp
    if narrow and all(_is_implied(body, implied) for body in both):
        return operands[0], operands[1]
    lhs, rhs = (_applied(builder, op, a, body) for a, body in zip(operands, both, strict=True))
    return lhs, rhs


def _is_implied(body: Body, kinds: tuple[type[Operation], ...]) -> bool:
    if not body.instructions:
        return True
    return [i.kind for i in body.instructions] in [[kind] for kind in kinds] and not isinstance(
        body.type_of(body.results[0]), Float64Type
    )


def _applied(builder: GraphBuilder, op: Operation, access: Access, body: Body) -> Access:
    if body.is_identity:
        return access
    node = Elementwise(op, body)
    node.inputs = [whole(access.value)]
    builder.add(node)
    element = body.type_of(body.results[0])
    return Access(node.result(access.value.shape, element), access.view)


def starts_at_negative_zero(start: Tensor) -> bool:
    """Whether a sum starts at -0.0, which the machine's sums do not: theirs start at 0.0.

    The sum of nothing but -0.0 would have the other sign.
    """
    return isinstance(start, Splat) and is_negative_zero(start.value)


def contract(
    builder: GraphBuilder,
    op: Operation,
    lhs: Access,
    rhs: Access,
    out: Sequence[int | None],
    start: Tensor,
    element: Attribute,
) -> None:
    """Defines the op's result as a matrix product.

    A parallel factor that only one operand depends on becomes part of m (lhs) or n (rhs), even
    when the source calls it a batch: a rhs repeated for several heads is then read once.

    Args:
        builder: Where the nodes go.
        op: The source operation, with one result.
        lhs: Left operand over the loops.
        rhs: Right operand over the loops.
        out: For each dimension of the result the loop it is, None where its size is 1.
        start: What the accumulator holds at the start.
        element: Element type of accumulator and result.
    """
    lhs, rhs = without_widening(lhs, rhs)
    aligned = views.align(lhs.view, rhs.view)
    if aligned is None:
        raise UnsupportedError("its operands divide a loop in ways that do not fit")
    left, right = aligned
    kept = [loop for loop in out if loop is not None]
    parallel = [f for loop in kept for f in left.dims[loop]]
    folded = [f for loop, dim in enumerate(left.dims) if loop not in kept for f in dim]
    in_left, in_right = left.used, right.used
    batch = [f for f in parallel if f in in_left and f in in_right]
    columns = [f for f in parallel if f in in_right and f not in in_left]
    rows = [f for f in parallel if f not in in_right]
    singles = [[f] for f in batch]
    a = Access(lhs.value, views.regroup(left, [*singles, rows, folded]))
    a = builder.ordered(a)
    b = Access(rhs.value, views.regroup(right, [*singles, columns, folded]))
    plain = Access(rhs.value, views.regroup(right, [*singles, folded, columns]))
    transposed = _prefers_transposed(b, plain)
    node = Matmul(op, transposed)
    node.inputs = [a, builder.ordered(b if transposed else plain)]
    builder.add(node)
    result = node.result((*a.shape[:-1], b.shape[-2]), element)
    view = _result_view(left, out, batch, rows, columns)
    tensor = plus(builder, op, Access(result, view), start, element)
    builder.define(op.results[0], tensor)


def _prefers_transposed(transposed: Access, plain: Access) -> bool:
    """Whether rhs is better read as [.., n, k]: as it lies, else as a reshape, else as a copy.

    A copy keeps the order of the source's innermost dimension, so that it moves whole runs and
    other readers of the same layout share it.
    """
    if transposed.is_whole or plain.is_whole:
        return transposed.is_whole
    if transposed.is_reshape or plain.is_reshape:
        return transposed.is_reshape
    inner = transposed.view.dims[-1]
    if not transposed.view.base or not inner:
        return False
    return any(stride == 1 and f == inner[-1] for f, stride in transposed.view.base[-1].terms)


def _result_view(
    loops: View,
    out: Sequence[int | None],
    batch: Sequence[int],
    rows: Sequence[int],
    columns: Sequence[int],
) -> View:
    base = [Linear(0, ((f, 1),)) for f in batch]
    for group in (rows, columns):
        stride, terms = 1, list[tuple[int, int]]()
        for factor in reversed(group):
            terms.append((factor, stride))
            stride *= loops.factors[factor]
        base.append(Linear(0, tuple(sorted(terms))))
    view = View(loops.factors, loops.dims, tuple(base))
    dims = [() if loop is None else loops.dims[loop] for loop in out]
    return views.simplify(views.regroup(view, dims))


def without_widening(lhs: Access, rhs: Access) -> tuple[Access, Access]:
    """Both operands before the same float conversion, if each was just widened.

    Products accumulate in f32 or wider, where the product of two narrow floats is exact: the
    conversion is part of the product.
    """
    narrow = [_narrow(lhs), _narrow(rhs)]
    if narrow[0] is None or narrow[1] is None:
        return lhs, rhs
    if narrow[0].value.element != narrow[1].value.element:
        return lhs, rhs
    return narrow[0], narrow[1]


def _narrow(access: Access) -> Access | None:
    node = access.value.node
    if (
        not isinstance(node, Elementwise)
        or not isinstance(access.value.element, Float32Type)
        or [instruction.kind for instruction in node.body.instructions] != [arith.ExtFOp]
        or len(node.inputs) != 1
        or not isinstance(node.inputs[0].value.element, Float16Type | BFloat16Type)
    ):
        return None
    view = views.compose(access.view, node.inputs[0].view)
    return None if view is None else Access(node.inputs[0].value, view)


def plus(
    builder: GraphBuilder, op: Operation, product: Access, start: Tensor, element: Attribute
) -> Access:
    """An accumulation that starts at ``start`` instead of at zero: the sum is taken after it."""
    if isinstance(start, Splat) and is_zero(start.value):
        return product
    body = BodyBuilder([element, element])
    if isinstance(start, Splat):
        inputs, right = [product], body.constant(start.value)
    else:
        inputs, right = [product, builder.materialised(start)], 1
    total = body.emit(_addition(element, 0, right))
    finished, _ = body.finish([total])
    node = Elementwise(op, finished)
    node.inputs = inputs
    builder.add(node)
    return whole(node.result(product.shape, element))


def _addition(element: Attribute, left: int, right: int) -> Instruction:
    is_integer = isinstance(element, IntegerType)
    kind = arith.AddiOp if is_integer else arith.AddfOp
    flags: tuple[str, Attribute] = ("fastmath", arith.FastMathFlagsAttr("none"))
    if is_integer:
        flags = ("overflowFlags", arith.IntegerOverflowAttr("none"))
    return Instruction(kind, (left, right), element, (flags,))
