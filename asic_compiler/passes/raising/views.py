"""Views: how the elements of one tensor are found in another.

A view maps the index space of a *logical* tensor to that of a *base* tensor. Every logical
dimension is a mixed-radix number made of *factors*, most significant first, and every base index
is an offset plus a sum of factors times strides. Transposes, reshapes, slices and broadcasts are
closed under composition in this form as long as radices divide each other; where they do not, the
answer is None and the caller has to copy.

Pure arithmetic on integers, without IR. Factors of size 1 do not exist: a dimension of size 1 is
made of no factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Linear:
    """``offset + sum(stride * factor)``; terms are (factor, stride), sorted by factor."""

    offset: int = 0
    terms: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A map from a logical index space to a base index space."""

    factors: Shape
    """Size of each factor, at least 2."""
    dims: tuple[Shape, ...]
    """Factors of each logical dimension, most significant first."""
    base: tuple[Linear, ...]
    """Index into each base dimension."""

    @property
    def shape(self) -> Shape:
        """Sizes of the logical dimensions."""
        return tuple(prod(self.factors[f] for f in dim) for dim in self.dims)

    @property
    def used(self) -> frozenset[int]:
        """Factors that some base index depends on; the others only repeat elements."""
        return frozenset(f for form in self.base for f, _ in form.terms)

    @property
    def count(self) -> int:
        """Logical elements."""
        return prod(self.factors[f] for dim in self.dims for f in dim)


@lru_cache(maxsize=4096)
def identity(shape: Shape) -> View:
    """The view of a tensor as itself."""
    factors: list[int] = []
    dims: list[Shape] = []
    base: list[Linear] = []
    for size in shape:
        if size == 1:
            dims.append(())
            base.append(Linear())
        else:
            dims.append((len(factors),))
            base.append(Linear(0, ((len(factors), 1),)))
            factors.append(size)
    return View(tuple(factors), tuple(dims), tuple(base))


def regroup(view: View, dims: Sequence[Sequence[int]]) -> View:
    """The same base indices under other logical dimensions, given as lists of factors.

    Factors that no longer appear are dropped: no base index may depend on them.
    """
    kept = [f for dim in dims for f in dim]
    number = {f: i for i, f in enumerate(kept)}
    return View(
        tuple(view.factors[f] for f in kept),
        tuple(tuple(number[f] for f in dim) for dim in dims),
        tuple(
            Linear(form.offset, tuple(sorted((number[f], s) for f, s in form.terms)))
            for form in view.base
        ),
    )


def permute(view: View, order: Sequence[int]) -> View:
    """Logical dimension i becomes the old dimension ``order[i]``."""
    return regroup(view, [view.dims[i] for i in order])


def split_factor(view: View, factor: int, low: int) -> View:
    """Replaces a factor by two, the less significant one of size ``low`` (which divides it)."""
    high = view.factors[factor] // low
    new = len(view.factors)
    factors = list(view.factors)
    factors[factor] = high
    factors.append(low)
    dims = tuple(
        tuple(g for f in dim for g in ((f, new) if f == factor else (f,))) for dim in view.dims
    )
    base: list[Linear] = []
    for form in view.base:
        terms: list[tuple[int, int]] = []
        for f, stride in form.terms:
            if f == factor:
                terms += [(f, stride * low), (new, stride)]
            else:
                terms.append((f, stride))
        base.append(Linear(form.offset, tuple(sorted(terms))))
    return View(tuple(factors), dims, tuple(base))


@lru_cache(maxsize=4096)
def reshape(view: View, shape: Shape) -> View | None:
    """The same elements in row-major order under another shape; None if radices do not divide."""
    if prod(shape) != view.count:
        return None
    flat = [f for dim in view.dims for f in dim]
    dims: list[Shape] = []
    for size in reversed(shape):
        dim: list[int] = []
        while size > 1:
            factor = flat.pop()
            extent = view.factors[factor]
            if extent > size:
                if extent % size:
                    return None
                view = split_factor(view, factor, size)
                flat.append(factor)
                factor, extent = len(view.factors) - 1, size
            if size % extent:
                return None
            dim.append(factor)
            size //= extent
        dims.append(tuple(reversed(dim)))
    return simplify(regroup(view, dims[::-1]))


def slice_dimension(view: View, dim: int, offset: int, size: int, step: int) -> View | None:
    """``size`` elements of a dimension from ``offset`` on, every ``step``-th."""
    factors = view.dims[dim]
    extents = [view.factors[f] for f in factors]
    if offset == 0 and step == 1 and size == prod(extents):
        return view
    inner = prod(extents[1:])
    lead, rest = divmod(offset, inner) if factors else (0, 0)
    if size == 1:
        fixed = dict(zip(factors, _digits(offset, extents), strict=True))
        return _fix(view, fixed, dim)
    if rest or size % inner or (step != 1 and inner != 1):
        return None
    sizes = list(view.factors)
    sizes[factors[0]] = size // inner
    if sizes[factors[0]] == 1:
        return _fix(view, {factors[0]: lead}, dim)
    base = tuple(
        Linear(
            form.offset + sum(s * lead for f, s in form.terms if f == factors[0]),
            tuple((f, s * step if f == factors[0] else s) for f, s in form.terms),
        )
        for form in view.base
    )
    return View(tuple(sizes), view.dims, base)


def _digits(value: int, extents: Sequence[int]) -> list[int]:
    digits: list[int] = []
    for extent in reversed(extents):
        digits.append(value % extent)
        value //= extent
    return digits[::-1]


def _fix(view: View, fixed: dict[int, int], dim: int) -> View:
    base = tuple(
        Linear(
            form.offset + sum(s * fixed[f] for f, s in form.terms if f in fixed),
            tuple((f, s) for f, s in form.terms if f not in fixed),
        )
        for form in view.base
    )
    dims = [
        tuple(f for f in factors if f not in fixed) if position == dim else factors
        for position, factors in enumerate(view.dims)
    ]
    return regroup(View(view.factors, view.dims, base), dims)


@lru_cache(maxsize=8192)
def compose(outer: View, inner: View) -> View | None:
    """The view that goes through ``outer`` and then ``inner``.

    Args:
        outer: From the logical space to a middle tensor.
        inner: From that middle tensor (its logical space) to the base.

    Returns:
        The view from outer's logical space to inner's base; None if radices do not divide.
    """
    values: dict[int, Linear] = {}
    position = 0
    while position < len(inner.dims):
        form = outer.base[position]
        found = _distribute(outer, form, inner, inner.dims[position])
        if found is None:
            return None
        if isinstance(found, View):
            # A factor of outer had to be split: earlier positions refer to the old factors.
            outer, values, position = found, {}, 0
            continue
        values.update(found)
        position += 1
    base: list[Linear] = []
    for form in inner.base:
        offset = form.offset
        strides: dict[int, int] = {}
        for factor, stride in form.terms:
            value = values[factor]
            offset += stride * value.offset
            for f, s in value.terms:
                strides[f] = strides.get(f, 0) + stride * s
        base.append(Linear(offset, tuple(sorted(strides.items()))))
    return simplify(View(outer.factors, outer.dims, tuple(base)))


def _distribute(
    outer: View, form: Linear, inner: View, factors: Shape
) -> dict[int, Linear] | View | None:
    """Value of each inner factor when their mixed-radix number is ``form``.

    Returns a View instead when a factor of outer must first be split, None when carries would
    cross a radix boundary.
    """
    if len(factors) == 1:
        return {factors[0]: form}
    extents = [inner.factors[f] for f in factors]
    weights = [prod(extents[i + 1 :]) for i in range(len(extents))]
    offsets = _digits(form.offset, extents)
    terms: list[list[tuple[int, int]]] = [[] for _ in factors]
    reach = list(offsets)
    for factor, stride in form.terms:
        size = outer.factors[factor]
        slot = next((i for i, w in enumerate(weights) if stride >= w), None)
        if slot is None or stride % weights[slot]:
            return None
        boundary = weights[slot] * extents[slot]
        if slot and stride * (size - 1) >= boundary:
            low, remainder = divmod(boundary, stride)
            if remainder or size % low or low == 1:
                return None
            return split_factor(outer, factor, low)
        terms[slot].append((factor, stride // weights[slot]))
        reach[slot] += stride // weights[slot] * (size - 1)
    if any(r >= e for r, e in zip(reach[1:], extents[1:], strict=True)):
        return None
    return {f: Linear(o, tuple(sorted(t))) for f, o, t in zip(factors, offsets, terms, strict=True)}


@lru_cache(maxsize=8192)
def simplify(view: View) -> View:
    """Merges neighbouring factors that every base index uses as one number; renumbers factors."""
    dims: list[list[int]] = []
    for dim in view.dims:
        merged: list[int] = []
        for factor in dim:
            if merged and _mergeable(view, merged[-1], factor):
                view = _merge(view, merged[-1], factor)
            else:
                merged.append(factor)
        dims.append(merged)
    return regroup(view, dims)


def _strides(view: View, factor: int) -> list[int]:
    return [next((s for f, s in form.terms if f == factor), 0) for form in view.base]


def _mergeable(view: View, high: int, low: int) -> bool:
    size = view.factors[low]
    pairs = zip(_strides(view, high), _strides(view, low), strict=True)
    return all(a == b * size for a, b in pairs)


def _merge(view: View, high: int, low: int) -> View:
    factors = list(view.factors)
    factors[high] *= factors[low]
    strides = [dict(form.terms) for form in view.base]
    for terms in strides:
        if low in terms:
            terms[high] = terms.pop(low)
    return View(
        tuple(factors),
        tuple(tuple(f for f in dim if f != low) for dim in view.dims),
        tuple(
            Linear(form.offset, tuple(sorted(terms.items())))
            for form, terms in zip(view.base, strides, strict=True)
        ),
    )


@lru_cache(maxsize=4096)
def is_row_major(view: View, shape: Shape) -> bool:
    """Whether the view visits a base of ``shape`` in row-major order, all of it: a reshape."""
    if view.count != prod(shape):
        return False
    linear: dict[int, int] = {}
    offset, extent = 0, 1
    for form, size in zip(reversed(view.base), reversed(shape), strict=True):
        offset += form.offset * extent
        for factor, stride in form.terms:
            linear[factor] = linear.get(factor, 0) + stride * extent
        extent *= size
    expected = 1
    for factor in reversed([f for dim in view.dims for f in dim]):
        if linear.get(factor, 0) != expected:
            return False
        expected *= view.factors[factor]
    return offset == 0


@lru_cache(maxsize=4096)
def to_affine(view: View) -> AffineMap:
    """The view as an affine map from logical to base dimensions."""
    values: dict[int, tuple[int, AffineExpr]] = {}
    for position, dim in enumerate(view.dims):
        weight = 1
        for rank, factor in reversed(list(enumerate(dim))):
            expr: AffineExpr = AffineExpr.dimension(position)
            if weight > 1:
                expr = AffineBinaryOpExpr(
                    AffineBinaryOpKind.FloorDiv, expr, AffineExpr.constant(weight)
                )
            if rank:
                expr = AffineBinaryOpExpr(
                    AffineBinaryOpKind.Mod, expr, AffineExpr.constant(view.factors[factor])
                )
            values[factor] = (position, expr)
            weight *= view.factors[factor]
    results: list[AffineExpr] = []
    for form in view.base:
        total: AffineExpr | None = None
        for factor, stride in form.terms:
            term = values[factor][1]
            if stride != 1:
                term = AffineBinaryOpExpr(AffineBinaryOpKind.Mul, term, AffineExpr.constant(stride))
            total = term if total is None else _add(total, term)
        offset = AffineExpr.constant(form.offset)
        if total is None:
            results.append(offset)
        else:
            results.append(total if form.offset == 0 else _add(total, offset))
    return AffineMap(len(view.dims), 0, tuple(results))


def _add(left: AffineExpr, right: AffineExpr) -> AffineExpr:
    return AffineBinaryOpExpr(AffineBinaryOpKind.Add, left, right)


@lru_cache(maxsize=4096)
def from_affine(map_: AffineMap, sizes: Shape) -> View | None:
    """An affine map over a box as a view; None if it is not a sum of scaled dimensions."""
    number = {dim: i for i, dim in enumerate(d for d, s in enumerate(sizes) if s != 1)}
    base: list[Linear] = []
    for expr in map_.results:
        form = _linear(expr)
        if form is None:
            return None
        offset, strides = form
        terms = {number[d]: s for d, s in strides.items() if d in number and s}
        base.append(Linear(offset, tuple(sorted(terms.items()))))
    dims = tuple((number[d],) if d in number else () for d in range(len(sizes)))
    return View(tuple(s for s in sizes if s != 1), dims, tuple(base))


def _linear(expr: AffineExpr) -> tuple[int, dict[int, int]] | None:
    match expr:
        case AffineConstantExpr():
            return expr.value, {}
        case AffineDimExpr():
            return 0, {expr.position: 1}
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Add):
            left, right = _linear(expr.lhs), _linear(expr.rhs)
            if left is None or right is None:
                return None
            strides = dict(left[1])
            for dim, stride in right[1].items():
                strides[dim] = strides.get(dim, 0) + stride
            return left[0] + right[0], strides
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mul):
            left, right = _linear(expr.lhs), _linear(expr.rhs)
            if left is None or right is None or (left[1] and right[1]):
                return None
            scale, other = (right[0], left) if not right[1] else (left[0], right)
            return other[0] * scale, {d: s * scale for d, s in other[1].items()}
        case _:
            return None


def align(first: View, second: View) -> tuple[View, View] | None:
    """Splits the factors of two views of one logical shape until they correspond.

    Afterwards both have the same factors, numbered in row-major order of the logical space.
    """
    for dim in range(len(first.dims)):
        aligned = _align_dimension(first, second, dim)
        if aligned is None:
            return None
        first, second = aligned
    return regroup(first, first.dims), regroup(second, second.dims)


def _align_dimension(first: View, second: View, dim: int) -> tuple[View, View] | None:
    position = 1
    while position <= max(len(first.dims[dim]), len(second.dims[dim])):
        a, b = first.dims[dim][-position], second.dims[dim][-position]
        x, y = first.factors[a], second.factors[b]
        if x > y:
            if x % y:
                return None
            first = split_factor(first, a, y)
        elif y > x:
            if y % x:
                return None
            second = split_factor(second, b, x)
        position += 1
    return first, second
