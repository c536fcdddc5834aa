"""The loops of named linalg operations, as upstream MLIR defines them.

A form is written like an Einstein sum: ``"bmk,bkn->bmn"`` over the loops ``"bmnk"``. A capital in
the first operand is a position of a window that slides over it: ``H`` is read at
``H * stride + h * dilation``. Loops that the result does not have are folded. The table equals
what ``mlir-opt --mlir-print-op-generic`` writes as ``linalg.memoized_indexing_maps`` (LLVM 22).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir.affine import AffineExpr, AffineMap


@dataclass(frozen=True, slots=True)
class Form:
    """The loop nest that the name of an operation stands for."""

    loops: str
    """A letter each, in order."""
    operands: tuple[str, ...]
    """The loops of each operand's dimensions; the result is the last."""

    @property
    def parallel(self) -> tuple[bool, ...]:
        """For each loop whether it is parallel, else it is folded."""
        return tuple(letter in self.operands[-1] for letter in self.loops)

    @property
    def spatial(self) -> int:
        """How many dimensions a window slides along."""
        return sum(letter.isupper() for letter in self.operands[0])

    def maps(
        self, strides: Sequence[int] | None = None, dilations: Sequence[int] | None = None
    ) -> tuple[AffineMap, ...]:
        """The maps from the loops to each operand.

        Args:
            strides: One a spatial dimension; 1 where left out.
            dilations: The same.

        Raises:
            ValueError: They are not one a spatial dimension.
        """
        ones = (1,) * self.spatial
        reach = dict(
            zip(
                (letter for letter in self.operands[0] if letter.isupper()),
                zip(strides or ones, dilations or ones, strict=True),
                strict=True,
            )
        )
        maps: list[AffineMap] = []
        for number, letters in enumerate(self.operands):
            window = reach if number == 0 else {}
            exprs = tuple(self._index(letter, window.get(letter)) for letter in letters)
            maps.append(AffineMap(len(self.loops), 0, exprs))
        return tuple(maps)

    def _index(self, letter: str, window: tuple[int, int] | None) -> AffineExpr:
        loop = AffineExpr.dimension(self.loops.index(letter))
        if window is None:
            return loop
        offset = AffineExpr.dimension(self.loops.index(letter.lower()))
        return loop * window[0] + offset * window[1]


def _forms(table: str) -> dict[str, Form]:
    forms: dict[str, Form] = {}
    for line in table.split("\n"):
        if line.strip():
            name, loops, sum_ = line.split()
            operands, result = sum_.split("->")
            forms[f"linalg.{name}"] = Form(loops, (*operands.split(","), result))
    return forms


PRODUCTS = _forms("""
    matmul                    mnk   mk,kn->mn
    batch_matmul              bmnk  bmk,bkn->bmn
    matmul_transpose_a        mnk   km,kn->mn
    matmul_transpose_b        mnk   mk,nk->mn
    batch_matmul_transpose_a  bmnk  bkm,bkn->bmn
    batch_matmul_transpose_b  bmnk  bmk,bnk->bmn
    matvec                    mk    mk,k->m
    vecmat                    nk    k,kn->n
    batch_matvec              bmk   bmk,bk->bm
    batch_vecmat              bnk   bk,bkn->bn
    dot                       k     k,k->
    batch_reduce_matmul       bmnk  bmk,bkn->mn
""")
"""Matrix products; those that upstream has no more (``transpose``) as it had them."""

QUANTIZED = _forms("""
    quantized_matmul        mnk   mk,kn,,->mn
    quantized_batch_matmul  bmnk  bmk,bkn,,->bmn
""")
"""Products of integers less their zero points, which are the two scalars."""

CONVOLUTIONS = _forms("""
    conv_1d_ncw_fcw            nfWcw     ncW,fcw->nfW
    conv_2d_nchw_fchw          nfHWchw   ncHW,fchw->nfHW
    conv_3d_ncdhw_fcdhw        nfDHWcdhw ncDHW,fcdhw->nfDHW
    conv_2d_ngchw_gfchw        ngfHWchw  ngcHW,gfchw->ngfHW
    depthwise_conv_1d_ncw_cw   nWcw      ncW,cw->ncW
    depthwise_conv_2d_nchw_chw nHWchw    ncHW,chw->ncHW
    conv_1d_nwc_wcf            nWfwc     nWc,wcf->nWf
    conv_2d_nhwc_hwcf          nHWfhwc   nHWc,hwcf->nHWf
    conv_2d_nhwc_fhwc          nHWfhwc   nHWc,fhwc->nHWf
    depthwise_conv_1d_nwc_wc     nWcw    nWc,wc->nWc
    depthwise_conv_1d_nwc_wcm    nWcmw   nWc,wcm->nWcm
    depthwise_conv_2d_nhwc_hwc   nHWchw  nHWc,hwc->nHWc
    depthwise_conv_2d_nhwc_hwcm  nHWcmhw nHWc,hwcm->nHWcm
""")
"""Convolutions."""

POOLINGS = _forms("""
    pooling_ncw   ncWw      ncW,w->ncW
    pooling_nwc   nWcw      nWc,w->nWc
    pooling_nchw  ncHWhw    ncHW,hw->ncHW
    pooling_nhwc  nHWchw    nHWc,hw->nHWc
    pooling_ncdhw ncDHWdhw  ncDHW,dhw->ncDHW
    pooling_ndhwc nDHWcdhw  nDHWc,dhw->nDHWc
""")
"""Poolings, by their names without what they fold with. The second operand is the window's shape;
its elements are never read."""

FOLDS = ("sum", "max", "min", "max_unsigned", "min_unsigned")
"""What a pooling folds with; a layout has not all of them upstream."""

FORMS: dict[str, Form] = {
    **PRODUCTS,
    **QUANTIZED,
    **CONVOLUTIONS,
    **{f"{name}_{fold}": form for name, form in POOLINGS.items() for fold in FOLDS},
}
"""Every named operation whose loops follow from its name."""
