"""What a module computes, and how far rounding may take another module from it.

The module is evaluated in its own types and in float64 throughout, each also with noise in every
rounding (Monte Carlo arithmetic, Parker 1997). What these agree on a module must give that means
the same; how far they lie apart is the measure of what it may differ by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute

from asic_compiler.interpret.elements import Array, float_format, is_float, rounded
from asic_compiler.interpret.evaluate import evaluate
from asic_compiler.interpret.machine import Weights, function_of, tensor_type
from asic_compiler.interpret.numbers import Numbers

SPREADS = (2.0, 14.0)
"""Allowed errors are so many times the spread of the samples, and so many more over the root of the
number of elements: the fewer there are, the less their largest spread says."""
STEPS = 16.0
"""And so many steps of the result's type."""
_NOISY = {False: 3, True: 2}
"""Samples with noise, in own types and in float64."""
_WIDE_STEP = 2.0**-52


@dataclass(frozen=True, slots=True)
class Difference:
    """A result that is not the one before."""

    output: int
    place: tuple[int, ...]
    """Where the difference exceeds what is allowed by most."""
    before: float
    after: float
    allowed: float
    elements: int
    """How many elements differ by more than is allowed."""

    def __str__(self) -> str:
        """What it was and is, and where."""
        error = abs(self.after - self.before)
        return (
            f"at {list(self.place)} it was {self.before!r} and is {self.after!r}: off by "
            f"{error:.3g}, allowed {self.allowed:.3g} ({self.elements} elements are off)"
        )


@dataclass(frozen=True)
class Samples:
    """Results of one module on one set of arguments."""

    elements: tuple[Attribute, ...]
    """The element type of each result."""
    own: tuple[tuple[Array, ...], ...]
    """Evaluations in own types, without noise first; then the one in float64, rounded."""
    wide: tuple[tuple[Array, ...], ...]
    """Evaluations in float64, without noise first."""

    @property
    def undetermined(self) -> tuple[int, ...]:
        """Results of which nothing is checked: wholly NaN, or other with every rounding."""
        return tuple(
            i
            for i, element in enumerate(self.elements)
            if self.own[0][i].size and not np.any(_firm([s[i] for s in self.own], element))
        )

    def differences(
        self, own: Sequence[Array] | None, wide: Sequence[Array] | None, slack: float = 0.0
    ) -> list[Difference]:
        """What another module's results may not be.

        Args:
            own: Its results in its own types; None where there are none.
            wide: And in float64, or about as precise; None where there are none.
            slack: Share of a result's largest magnitude that floats may differ by besides.

        Returns:
            At most one difference a result.
        """
        found: list[Difference] = []
        for i, element in enumerate(self.elements):
            problem = None
            if own is not None:
                problem = _difference(i, [s[i] for s in self.own], own[i], element, False, slack)
            if problem is None and wide is not None:
                problem = _difference(i, [s[i] for s in self.wide], wide[i], element, True, slack)
            if problem is not None:
                found.append(problem)
        return found


def sample(module: ModuleOp, arguments: Sequence[Array], weights: Weights, seed: int) -> Samples:
    """Evaluates a module in all ways.

    Raises:
        CannotEvaluateError: It cannot be.
    """
    last = function_of(module).body.block.last_op
    results = last.operands if last is not None else ()
    elements = tuple(tensor_type(value).element_type for value in results)
    found: dict[bool, list[tuple[Array, ...]]] = {}
    for wide, noisy in _NOISY.items():
        ways = [Numbers(wide)]
        ways += [Numbers(wide, np.random.default_rng([seed, wide, n])) for n in range(noisy)]
        found[wide] = [tuple(evaluate(module, arguments, weights, way)) for way in ways]
    nearest = tuple(
        rounded(array, element) if is_float(element) else array
        for array, element in zip(found[True][0], elements, strict=True)
    )
    return Samples(elements, (*found[False], nearest), tuple(found[True]))


def _firm(samples: Sequence[Array], element: Attribute) -> Array:
    """Elements on which a comparison says something."""
    agree = _agreed(samples, element)
    return agree & ~np.isnan(samples[0]) if is_float(element) else agree


def _agreed(samples: Sequence[Array], element: Attribute) -> Array:
    """Integers that all samples share; floats that are finite in all, or the same infinity."""
    first = samples[0]
    agree = np.ones(first.shape, np.bool_)
    for other in samples[1:]:
        if is_float(element):
            finite = np.isfinite(first) & np.isfinite(other)
            agree &= finite | (first == other) | (np.isnan(first) & np.isnan(other))
        else:
            agree &= first == other
    return agree


def _difference(
    output: int,
    samples: Sequence[Array],
    after: Array,
    element: Attribute,
    wide: bool,
    slack: float,
) -> Difference | None:
    before = samples[0]
    agreed = _agreed(samples, element)
    allowed = np.zeros(before.shape)
    with np.errstate(all="ignore"):
        error = np.abs(after - before, dtype=np.float64)
        if is_float(element):
            finite = agreed & np.isfinite(before)
            allowed = _allowed(samples, finite, element, wide)
            allowed += slack * np.abs(before[finite]).max(initial=0.0)
            same = (after == before) | (np.isnan(after) & np.isnan(before))
            error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
            error = np.where(_wrong_zero(samples, after), np.inf, error)
        excess = np.where(agreed, np.where(error > allowed, error - allowed, 0.0), 0.0)
    count = int(np.count_nonzero(excess))
    if not count:
        return None
    place = tuple(int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
    return Difference(
        output,
        place,
        before[place].item(),
        after[place].item(),
        float(allowed[place]),
        count,
    )


def _allowed(samples: Sequence[Array], finite: Array, element: Attribute, wide: bool) -> Array:
    """In own types the spread of the whole result, in float64 that of each element and a little."""
    step = _WIDE_STEP if wide else 2.0 ** (1 - float_format(element).precision)
    stack = np.stack(samples)
    spread = np.where(finite, stack.max(axis=0) - stack.min(axis=0), 0.0)
    size = np.where(finite, np.abs(samples[0]), 0.0)
    largest = float(spread.max(initial=0.0))
    tiny = (
        float(np.finfo(np.float64).tiny)
        if wide
        else 2.0 ** (float_format(element).least - float_format(element).precision + 1)
    )
    spreads = SPREADS[0] + SPREADS[1] / max(1, np.count_nonzero(finite)) ** 0.5
    return spreads * largest + STEPS * step * size + tiny


def _wrong_zero(samples: Sequence[Array], after: Array) -> Array:
    """Zeros of a sign that all samples share, where the other is found."""
    zero = after == 0.0
    sign = np.signbit(samples[0])
    for array in samples:
        zero = zero & (array == 0.0) & (np.signbit(array) == sign)
    return zero & (np.signbit(after) != sign)
