"""How floats round while a module is evaluated: in their own types, not at all, or with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.ir import Attribute

from asic_compiler.interpret.elements import Array, float_format, rounded

_F64_STEP = 2.0**-52


@dataclass(frozen=True)
class Numbers:
    """A way to round.

    In their own types, every operation rounds to its type. In the wide way nothing rounds but to
    float64: programs that differ in nothing but where they round agree to many digits. With noise,
    whatever rounds at all lands a step beside at random: how far results then spread is what
    rounding may do to them.
    """

    wide: bool = False
    noise: np.random.Generator | None = None

    def settle(self, values: Array, element: Attribute) -> Array:
        """The result of an operation that may have to round.

        Args:
            values: The exact result, or the nearest float64.
            element: The type of the result.
        """
        whole = self.wide or str(element) == "f64"
        near = values if whole else rounded(values, element)
        if self.noise is None:
            return near
        with np.errstate(all="ignore"):
            # Of a float64 nobody knows whether it was rounded; few bits say that it was not.
            inexact = values != (values.astype(np.float32) if whole else near)
            step = _F64_STEP if whole else 2.0 ** (1 - float_format(element).precision)
            beside = values * (1.0 + step * self.noise.uniform(-1.0, 1.0, np.shape(values)))
            beside = beside if whole else rounded(beside, element)
        return np.where(inexact & np.isfinite(values), beside, near)

    def converted(self, values: Array, element: Attribute, fixed: bool) -> Array:
        """A float to another width, without noise; constants round in every way.

        A constant is converted once, by whichever pass comes first, and stays what it became.
        """
        return values if self.wide and not fixed else rounded(values, element)

    def summed(self, values: Array) -> Array:
        """A sum that may be taken in any order: nobody owes the sign of its zeros."""
        if self.noise is None:
            return values
        sign = np.where(self.noise.integers(0, 2, np.shape(values)) == 1, -1.0, 1.0)
        return np.where(values == 0.0, 0.0 * sign, values)
