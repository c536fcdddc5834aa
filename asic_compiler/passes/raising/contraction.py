"""Matrix products: any product-sum over two tensors, with its batch sorted into m, n and k."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import BFloat16Type, Float16Type, IntegerType
from xdsl.ir import Attribute, Operation

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import Body, BodyBuilder, Instruction, is_zero
from asic_compiler.passes.raising.builder import (
    GraphBuilder,
    Splat,
    Tensor,
    UnsupportedError,
)
from asic_compiler.passes.raising.graph import Access, Elementwise, Matmul, whole
from asic_compiler.passes.raising.views import Linear, View

_WIDENINGS = (arith.ExtFOp, arith.ExtSIOp)


def multiply_accumulate(body: Body) -> bool:
    """Whether a folding body over two inputs is ``acc + a * b``, operands perhaps widened."""
    if len(body.arguments) != 3 or len(body.results) != 1:
        return False

    def source(value: int) -> int:
        if value >= 3 and body.instructions[value - 3].kind in _WIDENINGS:
            return body.instructions[value - 3].operands[0]
        return value

    last = body.results[0] - 3
    if last < 0 or body.instructions[last].kind not in (arith.AddfOp, arith.AddiOp):
        return False
    terms = list(body.instructions[last].operands)
    if 2 not in terms:
        return False
    terms.remove(2)
    product = terms[0] - 3
    if product < 0 or body.instructions[product].kind not in (arith.MulfOp, arith.MuliOp):
        return False
    return sorted(source(v) for v in body.instructions[product].operands) == [0, 1]


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
