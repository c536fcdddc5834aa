"""Loops of named ``linalg`` operations, as https://mlir.llvm.org/docs/Dialects/Linalg/ has them.

An operation is written as its operands' indices: a letter is a loop, a capital a position that is
read at ``position * stride + offset * dilation``, where the same small letter is the offset.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.ir.affine import AffineExpr, AffineMap

_PRODUCTS = {
    "matmul": "mk,kn->mn",
    "matmul_transpose_a": "km,kn->mn",
    "matmul_transpose_b": "mk,nk->mn",
    "batch_matmul": "bmk,bkn->bmn",
    "batch_matmul_transpose_a": "bkm,bkn->bmn",
    "batch_matmul_transpose_b": "bmk,bnk->bmn",
    "matvec": "mk,k->m",
    "vecmat": "k,kn->n",
    "batch_matvec": "bmk,bk->bm",
    "batch_vecmat": "bk,bkn->bn",
    "dot": "k,k->",
    "batch_reduce_matmul": "bmk,bkn->mn",
}
_CONVOLUTIONS = {
    "conv_1d_ncw_fcw": "ncW,fcw->nfW",
    "conv_1d_nwc_wcf": "nWc,wcf->nWf",
    "conv_2d_nchw_fchw": "ncHW,fchw->nfHW",
    "conv_2d_nhwc_hwcf": "nHWc,hwcf->nHWf",
    "conv_2d_nhwc_fhwc": "nHWc,fhwc->nHWf",
    "conv_2d_ngchw_gfchw": "ngcHW,gfchw->ngfHW",
    "conv_3d_ncdhw_fcdhw": "ncDHW,fcdhw->nfDHW",
    "depthwise_conv_1d_ncw_cw": "ncW,cw->ncW",
    "depthwise_conv_2d_nchw_chw": "ncHW,chw->ncHW",
    "depthwise_conv_1d_nwc_wc": "nWc,wc->nWc",
    "depthwise_conv_1d_nwc_wcm": "nWc,wcm->nWcm",
    "depthwise_conv_2d_nhwc_hwc": "nHWc,hwc->nHWc",
    "depthwise_conv_2d_nhwc_hwcm": "nHWc,hwcm->nHWcm",
}
_POOLINGS = {
    f"pooling_{layout}_{kind}": loops
    for layout, loops in {
        "ncw": "ncW,w->ncW",
        "nwc": "nWc,w->nWc",
        "nchw": "ncHW,hw->ncHW",
        "nhwc": "nHWc,hw->nHWc",
        "ncdhw": "ncDHW,dhw->ncDHW",
        "ndhwc": "nDHWc,dhw->nDHWc",
    }.items()
    for kind in ("sum", "max", "min", "max_unsigned", "min_unsigned")
}
NAMED: dict[str, str] = {
    f"linalg.{name}": loops for name, loops in {**_PRODUCTS, **_CONVOLUTIONS, **_POOLINGS}.items()
}
"""Indices of operands and result, by the operation's name."""


def nest_maps(
    name: str, window: Callable[[str], tuple[int, ...] | None]
) -> tuple[tuple[AffineMap, ...], tuple[bool, ...]]:
    """Maps of all operands, and of each loop whether it is parallel.

    Args:
        name: One of `NAMED`.
        window: ``strides`` or ``dilations`` of the operation; None where it has none.
    """
    operands, result = NAMED[name].split("->")
    groups = [*operands.split(","), result]
    folded = sorted({letter for group in groups[:-1] for letter in group} - set(result))
    loops = [*result, *(letter for letter in folded if not letter.isupper())]
    dims = {letter: AffineExpr.dimension(i) for i, letter in enumerate(loops)}
    strides, dilations = window("strides"), window("dilations")
    maps: list[AffineMap] = []
    for group in groups:
        exprs: list[AffineExpr] = []
        axis = 0
        for letter in group:
            expr = dims[letter]
            if letter.isupper() and group is groups[0]:
                stride = 1 if strides is None else strides[axis]
                dilation = 1 if dilations is None else dilations[axis]
                expr = expr * stride + dims[letter.lower()] * dilation
                axis += 1
            exprs.append(expr)
        maps.append(AffineMap(len(loops), 0, tuple(exprs)))
    return tuple(maps), tuple(letter in result for letter in loops)
