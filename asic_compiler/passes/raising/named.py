"""Named linalg operations: products, convolutions, poolings, transposes, fills."""

from __future__ import annotations

from math import prod

from xdsl.ir import Operation
from xdsl.ir.affine import AffineDimExpr, AffineMap

from asic_compiler.dialects.linalg_forms import (
    CONVOLUTIONS,
    FOLDS,
    FORMS,
    POOLINGS,
    PRODUCTS,
    QUANTIZED,
)
from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import body_of, is_zero, name_of
from asic_compiler.passes.raising.builder import (
    Empty,
    GraphBuilder,
    Handler,
    Splat,
    UnsupportedError,
    integers,
    static_type,
)
from asic_compiler.passes.raising.contraction import (
    Factors,
    contract,
    converted,
    factors,
    plus,
    starts_at_negative_zero,
    without_widening,
)
from asic_compiler.passes.raising.generic import (
    raise_elementwise,
    raise_generic,
    raise_reduce,
    raise_structured,
)
from asic_compiler.passes.raising.graph import Access, Conv, Pad, whole
from asic_compiler.passes.raising.nests import (
    Structured,
    body_block,
    loop_sizes,
    operand_groups,
    written_maps,
)
from asic_compiler.passes.raising.views import Shape


def _nest(op: Operation) -> Structured:
    """The loop nest that a named operation is short for; its body is the one that it has."""
    form = FORMS[name_of(op)]
    inputs, outputs = operand_groups(op)
    if len(inputs) + len(outputs) != len(form.operands):
        raise UnsupportedError(f"it needs {len(form.operands) - 1} inputs")
    maps = written_maps(op, _usual_maps(op))
    return Structured(op, inputs, outputs, maps, form.parallel, body_block(op))


def _usual_maps(op: Operation) -> tuple[AffineMap, ...]:
    form = FORMS[name_of(op)]
    ones = (1,) * form.spatial
    strides, dilations = (integers(op, key, ones) for key in ("strides", "dilations"))
    if len(strides) != form.spatial or len(dilations) != form.spatial:
        raise UnsupportedError(f"strides and dilations need {form.spatial} numbers each")
    if min((*strides, *dilations), default=1) < 1:
        raise UnsupportedError("its strides and dilations must be positive")
    return form.maps(strides, dilations)


def _factors(builder: GraphBuilder, nest: Structured) -> Factors | None:
    """What a product multiplies; None if it is a fold of another kind."""
    body = body_of(nest.block)
    if body is None or starts_at_negative_zero(builder.tensor(nest.outputs[0])):
        return None
    types = [static_type(value)[1] for value in (*nest.inputs, *nest.outputs)]
    return factors(body) if list(body.arguments) == types else None


def raise_product(builder: GraphBuilder, op: Operation) -> None:
    """A named matrix product."""
    nest = _nest(op)
    parts = _factors(builder, nest)
    loops = [expr.position for expr in nest.maps[2].results if isinstance(expr, AffineDimExpr)]
    if parts is None or sorted(loops) != [i for i, p in enumerate(nest.parallel) if p]:
        raise_structured(builder, nest)
        return
    sizes = loop_sizes(nest)
    accesses: list[Access] = []
    for value, map_ in zip(nest.inputs, nest.maps, strict=False):
        view = views.from_affine(map_, sizes)
        if view is None:
            raise UnsupportedError(f"indexing map {map_} is not a sum of scaled loops")
        accesses.append(builder.through(view, builder.access(value)))
    lhs, rhs = converted(builder, op, accesses, parts)
    start, element = builder.tensor(nest.outputs[0]), static_type(op.results[0])[1]
    contract(builder, op, lhs, rhs, loops, start, element)


def raise_transpose(builder: GraphBuilder, op: Operation) -> None:
    """``linalg.transpose``: a view."""
    _check_copies(op)
    order = integers(op, "permutation")
    source = builder.tensor(op.operands[0])
    if isinstance(source, Access):
        view = views.permute(source.view, order)
        builder.define(op.results[0], Access(source.value, view))
        return
    shape, element = static_type(op.results[0])
    builder.define(
        op.results[0],
        Empty(shape, element) if isinstance(source, Empty) else Splat(source.value, shape, element),
    )


def raise_broadcast(builder: GraphBuilder, op: Operation) -> None:
    """``linalg.broadcast``: a view that repeats along new dimensions."""
    _check_copies(op)
    added = integers(op, "dimensions")
    shape, element = static_type(op.results[0])
    source = builder.tensor(op.operands[0])
    if isinstance(source, Splat):
        builder.define(op.results[0], Splat(source.value, shape, element))
        return
    kept = [d for d in range(len(shape)) if d not in added]
    exprs = AffineMap.identity(len(shape)).results
    view = views.from_affine(AffineMap(len(shape), 0, tuple(exprs[d] for d in kept)), shape)
    assert view is not None, "loops are linear"
    builder.define(op.results[0], builder.through(view, builder.materialised(source)))


def _check_copies(op: Operation) -> None:
    """Raises UnsupportedError unless the body passes its first argument on."""
    body = body_of(body_block(op))
    if body is None or body.results != (0,):
        raise UnsupportedError("its body is no plain copy")


def raise_convolution(builder: GraphBuilder, op: Operation) -> None:
    """A named convolution."""
    nest = _nest(op)
    parts = _factors(builder, nest)
    if parts is None or nest.maps != _usual_maps(op):
        raise_structured(builder, nest)
        return
    form = FORMS[name_of(op)]
    data_form, weight_form, _ = form.operands
    rank = form.spatial
    operands = [builder.access(value) for value in nest.inputs]
    data, weight = without_widening(*converted(builder, op, operands, parts))
    groups = 1
    shape, element = static_type(op.results[0])
    channels_last = data_form.endswith("c")
    if "g" in data_form:
        n, groups, c, *rest = data.shape
        data = builder.reshaped(data, (n, groups * c, *rest))
        g, f, c, *window = weight.shape
        weight = builder.reshaped(weight, (g * f, c, *window))
    elif "f" not in weight_form and channels_last:
        groups = data.shape[-1]
        data = Access(data.value, views.permute(data.view, [0, rank + 1, *range(1, rank + 1)]))
        filters = range(rank, len(weight.shape))
        weight = Access(weight.value, views.permute(weight.view, [*filters, *range(rank)]))
        window = weight.shape[len(filters) :]
        weight = builder.reshaped(weight, (prod(weight.shape) // prod(window), 1, *window))
    elif "f" not in weight_form:
        groups = data.shape[1]
        weight = builder.reshaped(weight, (groups, 1, *weight.shape[1:]))
    elif channels_last:
        data = Access(data.value, views.permute(data.view, [0, rank + 1, *range(1, rank + 1)]))
        order = (
            [rank + 1, rank, *range(rank)]
            if weight_form.endswith("f")
            else [0, rank + 1, *range(1, rank + 1)]
        )
        weight = Access(weight.value, views.permute(weight.view, order))
    data, low, high = _without_padding(data, rank)
    strides, dilations = (integers(op, key, (1,) * rank) for key in ("strides", "dilations"))
    for d in range(rank):
        axis = len(data.shape) - rank + d
        window = (weight.shape[len(weight.shape) - rank + d] - 1) * dilations[d] + 1
        positions = shape[d + (1 if channels_last else len(shape) - rank)]
        extent = low[d] + data.shape[axis] + high[d]
        if (extent - window) // strides[d] + 1 != positions:
            # Fewer windows than the data has: what lies behind the last is never read.
            end = (positions - 1) * strides[d] + window - low[d]
            if end < 1:
                raise UnsupportedError("its windows lie on the border alone")
            high = (*high[:d], max(end - data.shape[axis], 0), *high[d + 1 :])
            if end < data.shape[axis]:
                data = builder.sliced(data, axis, 0, end)
    node = Conv(op, strides, dilations, low, high, groups)
    node.inputs = [builder.ordered(data), builder.ordered(weight)]
    builder.add(node)
    if channels_last:
        n, positions, f = shape[0], shape[1 : rank + 1], prod(shape[rank + 1 :])
        made = whole(node.result((n, f, *positions), element))
        view = views.permute(made.view, [0, *range(2, rank + 2), 1])
        result = builder.reshaped(Access(made.value, view), shape)
    else:
        n, positions = shape[0], shape[-rank:]
        result = whole(node.result((n, weight.shape[0], *positions), element))
        result = builder.reshaped(result, shape)
    builder.define(
        op.results[0], plus(builder, op, result, builder.tensor(nest.outputs[0]), element)
    )


def _without_padding(data: Access, spatial: int) -> tuple[Access, Shape, Shape]:
    """Takes a border of zeros off the data: the convolution pads by itself.

    The zeros may be -0.0: sums start at 0.0, and no product of a zero changes one.
    """
    node = data.value.node
    none = (0,) * spatial
    if not isinstance(node, Pad) or not data.is_whole or not is_zero(node.fill):
        return data, none, none
    if any(node.low[:-spatial]) or any(node.high[:-spatial]):
        return data, none, none
    return node.inputs[0], node.low[-spatial:], node.high[-spatial:]


def raise_fold(builder: GraphBuilder, op: Operation) -> None:
    """Any other named operation with loops of its own: a pooling, a product less zero points."""
    raise_structured(builder, _nest(op))


_ELEMENTWISE = (
    "abs add ceil copy div div_unsigned erf exp floor log max min mul negf powf reciprocal round "
    "rsqrt select sqrt square sub tanh map"
)

HANDLERS: dict[str, Handler] = {
    "linalg.generic": raise_generic,
    "linalg.reduce": raise_reduce,
    "linalg.fill": raise_elementwise,
    "linalg.transpose": raise_transpose,
    "linalg.broadcast": raise_broadcast,
    **dict.fromkeys(PRODUCTS, raise_product),
    **dict.fromkeys(QUANTIZED, raise_fold),
    **dict.fromkeys(CONVOLUTIONS, raise_convolution),
    **{f"{name}_{fold}": raise_fold for name in POOLINGS for fold in FOLDS},
    **{f"linalg.{name}": raise_elementwise for name in _ELEMENTWISE.split()},
}
