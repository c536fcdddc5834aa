"""Named linalg operations: products, convolutions, poolings, transposes, fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import AffineMapAttr, ArrayAttr, IntegerType
from xdsl.dialects.linalg.ops import YieldOp
from xdsl.ir import Attribute, Block, Operation
from xdsl.ir.affine import AffineExpr, AffineMap

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import is_zero
from asic_compiler.passes.raising.builder import (
    Empty,
    GraphBuilder,
    Handler,
    Splat,
    UnsupportedError,
    attribute_of,
    integers,
    name_of,
    static_type,
)
from asic_compiler.passes.raising.contraction import contract, plus, without_widening
from asic_compiler.passes.raising.generic import (
    Structured,
    operand_groups,
    raise_elementwise,
    raise_generic,
    raise_reduce,
    raise_structured,
)
from asic_compiler.passes.raising.graph import Access, Conv, Pad, whole
from asic_compiler.passes.raising.views import Shape

PRODUCTS: dict[str, str] = {
    "linalg.matmul": "mk,kn->mn",
    "linalg.batch_matmul": "bmk,bkn->bmn",
    "linalg.matmul_transpose_a": "km,kn->mn",
    "linalg.matmul_transpose_b": "mk,nk->mn",
    "linalg.batch_matmul_transpose_a": "bkm,bkn->bmn",
    "linalg.batch_matmul_transpose_b": "bmk,bnk->bmn",
    "linalg.matvec": "mk,k->m",
    "linalg.vecmat": "k,kn->n",
    "linalg.batch_matvec": "bmk,bk->bm",
    "linalg.batch_vecmat": "bk,bkn->bn",
    "linalg.dot": "k,k->",
    "linalg.batch_reduce_matmul": "bmk,bkn->mn",
}
"""Loops of each product's operands and result."""


def raise_product(builder: GraphBuilder, op: Operation) -> None:
    """A named matrix product."""
    (lhs, rhs), (out,) = operand_groups(op)
    maps = _product_maps(op)
    sizes = [0] * maps[0].num_dims
    for value, map_ in zip((lhs, rhs), maps, strict=False):
        shape = static_type(value)[0]
        for expr, size in zip(map_.results, shape, strict=True):
            sizes[_loop(expr)] = size
    accesses: list[Access] = []
    for value, map_ in zip((lhs, rhs), maps, strict=False):
        view = views.from_affine(map_, tuple(sizes))
        assert view is not None, "loops are linear"
        accesses.append(builder.through(view, builder.access(value)))
    loops = [_loop(expr) for expr in maps[2].results]
    element = static_type(op.results[0])[1]
    contract(builder, op, accesses[0], accesses[1], loops, builder.tensor(out), element)


def _product_maps(op: Operation) -> list[AffineMap]:
    given = attribute_of(op, "indexing_maps")
    if isinstance(given, ArrayAttr):
        maps = [item.data for item in cast("ArrayAttr[AffineMapAttr]", given)]
        if len(maps) == 3 and not any(map_.num_symbols for map_ in maps):
            return maps
        raise UnsupportedError("its indexing maps are not three plain maps")
    operands, result = PRODUCTS[name_of(op)].split("->")
    groups = [*operands.split(","), result]
    letters = sorted({letter for group in groups for letter in group})
    return [
        AffineMap(
            len(letters),
            0,
            tuple(AffineExpr.dimension(letters.index(letter)) for letter in group),
        )
        for group in groups
    ]


def _loop(expr: AffineExpr) -> int:
    position = getattr(expr, "position", None)
    if position is None:
        raise UnsupportedError("an operand is broadcast by its indexing map")
    return position


def raise_fill(builder: GraphBuilder, op: Operation) -> None:
    """``linalg.fill``: one scalar everywhere."""
    shape, element = static_type(op.results[0])
    value = getattr(op.operands[0].owner, "value", None)
    if value is None:
        raise UnsupportedError("it fills with a run-time scalar")
    builder.define(op.results[0], Splat(value, shape, element))


def raise_transpose(builder: GraphBuilder, op: Operation) -> None:
    """``linalg.transpose``: a view."""
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


@dataclass(frozen=True, slots=True)
class ConvForm:
    """How a named convolution orders its operands."""

    spatial: int
    data: str
    """``ncs`` (channels first), ``ngcs`` (groups and channels first), ``nsc`` (channels last)."""
    weight: str
    """``fcs``, ``gfcs``, ``cs`` (depthwise), ``scf`` or ``fsc`` (channels last)."""


CONVOLUTIONS: dict[str, ConvForm] = {
    "linalg.conv_1d_ncw_fcw": ConvForm(1, "ncs", "fcs"),
    "linalg.conv_2d_nchw_fchw": ConvForm(2, "ncs", "fcs"),
    "linalg.conv_3d_ncdhw_fcdhw": ConvForm(3, "ncs", "fcs"),
    "linalg.conv_2d_ngchw_gfchw": ConvForm(2, "ngcs", "gfcs"),
    "linalg.depthwise_conv_1d_ncw_cw": ConvForm(1, "ncs", "cs"),
    "linalg.depthwise_conv_2d_nchw_chw": ConvForm(2, "ncs", "cs"),
    "linalg.conv_1d_nwc_wcf": ConvForm(1, "nsc", "scf"),
    "linalg.conv_2d_nhwc_hwcf": ConvForm(2, "nsc", "scf"),
    "linalg.conv_2d_nhwc_fhwc": ConvForm(2, "nsc", "fsc"),
}


def raise_convolution(builder: GraphBuilder, op: Operation) -> None:
    """A named convolution."""
    form = CONVOLUTIONS[name_of(op)]
    (data_ssa, weight_ssa), (out,) = operand_groups(op)
    rank = form.spatial
    data, weight = without_widening(builder.access(data_ssa), builder.access(weight_ssa))
    groups = 1
    shape, element = static_type(op.results[0])
    channels_last = form.data == "nsc"
    if form.data == "ngcs":
        n, groups, c, *rest = data.shape
        data = builder.reshaped(data, (n, groups * c, *rest))
        g, f, c, *window = weight.shape
        weight = builder.reshaped(weight, (g * f, c, *window))
    elif form.weight == "cs":
        groups = data.shape[1]
        weight = builder.reshaped(weight, (groups, 1, *weight.shape[1:]))
    elif channels_last:
        data = Access(data.value, views.permute(data.view, [0, rank + 1, *range(1, rank + 1)]))
        order = (
            [rank + 1, rank, *range(rank)]
            if form.weight == "scf"
            else [0, rank + 1, *range(1, rank + 1)]
        )
        weight = Access(weight.value, views.permute(weight.view, order))
    data, low, high = _without_padding(data, rank)
    node = Conv(
        op,
        integers(op, "strides", (1,) * rank),
        integers(op, "dilations", (1,) * rank),
        low,
        high,
        groups,
    )
    node.inputs = [builder.ordered(data), builder.ordered(weight)]
    builder.add(node)
    if channels_last:
        n, *positions, f = shape
        made = whole(node.result((n, f, *positions), element))
        view = views.permute(made.view, [0, *range(2, rank + 2), 1])
        result = Access(made.value, view)
    else:
        n, positions = shape[0], shape[-rank:]
        result = whole(node.result((n, weight.shape[0], *positions), element))
        result = builder.reshaped(result, shape)
    builder.define(op.results[0], plus(builder, op, result, builder.tensor(out), element))


def _without_padding(data: Access, spatial: int) -> tuple[Access, Shape, Shape]:
    """Takes a border of zeros off the data: the convolution pads by itself."""
    node = data.value.node
    none = (0,) * spatial
    if not isinstance(node, Pad) or not data.is_whole or not is_zero(node.fill):
        return data, none, none
    if any(node.low[:-spatial]) or any(node.high[:-spatial]):
        return data, none, none
    return node.inputs[0], node.low[-spatial:], node.high[-spatial:]


_COMBINERS: dict[str, tuple[type[Operation], type[Operation]]] = {
    "max": (arith.MaximumfOp, arith.MaxSIOp),
    "min": (arith.MinimumfOp, arith.MinSIOp),
    "sum": (arith.AddfOp, arith.AddiOp),
    "max_unsigned": (arith.MaximumfOp, arith.MaxUIOp),
    "min_unsigned": (arith.MinimumfOp, arith.MinUIOp),
}
"""What a pooling folds floats and integers with."""

_POOLING_LAYOUTS = {"ncw": 1, "nwc": 1, "nchw": 2, "nhwc": 2, "ncdhw": 3, "ndhwc": 3}
"""Spatial rank of each layout."""


def raise_pooling(builder: GraphBuilder, op: Operation) -> None:
    """A named pooling: a reduction over windows.

    The body follows from the name: xDSL 0.74 writes another one when it reads the pretty form.
    """
    layout, kind = name_of(op).removeprefix("linalg.pooling_").split("_", 1)
    rank = _POOLING_LAYOUTS[layout]
    inputs, outputs = operand_groups(op)
    strides = integers(op, "strides", (1,) * rank)
    dilations = integers(op, "dilations", (1,) * rank)
    loops = 2 * rank + 2
    d = AffineMap.identity(loops).results
    channels_first = layout.startswith("nc")
    positions = d[2 : 2 + rank] if channels_first else d[1 : 1 + rank]
    channel = d[1] if channels_first else d[1 + rank]
    window = d[2 + rank :]
    reach = tuple(
        p * s + w * k for p, s, w, k in zip(positions, strides, window, dilations, strict=True)
    )
    source = (d[0], channel, *reach) if channels_first else (d[0], *reach, channel)
    maps = (
        AffineMap(loops, 0, source),
        AffineMap(loops, 0, window),
        AffineMap(loops, 0, d[: 2 + rank]),
    )
    parallel = (True,) * (2 + rank) + (False,) * rank
    block = _pooling_block(kind, [static_type(value)[1] for value in (*inputs, *outputs)])
    raise_structured(builder, Structured(op, inputs, outputs, maps, parallel, block))


def _pooling_block(kind: str, elements: Sequence[Attribute]) -> Block:
    if elements[0] != elements[2]:
        raise UnsupportedError("it accumulates in another type than it reads")
    block = Block(arg_types=elements)
    is_integer = isinstance(elements[2], IntegerType)
    none = arith.FastMathFlagsAttr("none")
    total = _COMBINERS[kind][is_integer].create(
        operands=[block.args[2], block.args[0]],
        result_types=elements[2:],
        properties={} if is_integer else {"fastmath": none},
    )
    block.add_ops([total, YieldOp(total.results[0])])
    return block


_ELEMENTWISE = (
    "abs add ceil copy div div_unsigned erf exp floor log max min mul negf powf reciprocal round "
    "rsqrt select sqrt square sub tanh map"
)

HANDLERS: dict[str, Handler] = {
    "linalg.generic": raise_generic,
    "linalg.reduce": raise_reduce,
    "linalg.fill": raise_fill,
    "linalg.transpose": raise_transpose,
    "linalg.broadcast": raise_broadcast,
    **dict.fromkeys(PRODUCTS, raise_product),
    **dict.fromkeys(CONVOLUTIONS, raise_convolution),
    **{
        f"linalg.pooling_{layout}_{kind}": raise_pooling
        for layout in _POOLING_LAYOUTS
        for kind in _COMBINERS
    },
    **{f"linalg.{name}": raise_elementwise for name in _ELEMENTWISE.split()},
}
