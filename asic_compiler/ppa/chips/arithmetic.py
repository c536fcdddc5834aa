"""Gates and energy of a multiplier and an adder in any number format.

The node file gives FP16 and FP32 arithmetic, and the formats table what others cost relative to
them. A format in neither follows a power law of the significand's width p through the two that are
known, which reproduces one that was measured: BF16 (p = 8) from FP16 and FP32 at 45 nm gives
0.61 of FP16's multiply energy, Jouppi et al. (ISCA 2021) 0.62.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from asic_compiler.diagnostics import UserError
from asic_compiler.technology.node import Technology

_FP16_BITS, _FP32_BITS = 11.0, 24.0
_SIGNIFICAND = {"fp64": 53.0, "tf32": 11.0, "fp8": 4.0, "hfp8": 4.0, "fp4": 2.0}
_INTEGER = {"int4": 4.0, "int8": 8.0, "int16": 16.0, "int32": 32.0}
FORMAT_NAMES: tuple[str, ...] = ("fp16", "fp32", "bf16", *_SIGNIFICAND, *_INTEGER)
_MULTIPLY_ENERGY, _ADD_ENERGY = log(3.70 / 1.10), log(0.90 / 0.40)
_ADD_AREA = log(4184.0 / 1360.0)
"""Logarithms of FP32 over FP16 at 45 nm (Horowitz, ISSCC 2014)."""
_WIDTHS = log(_FP32_BITS / _FP16_BITS)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """One multiply-accumulate at the nominal supply."""

    bits: float
    """Width of an operand."""
    multiply_ge: float
    add_ge: float
    """Gates of the accumulator's adder."""
    multiply_j: float
    add_j: float
    accumulator_bits: float

    @property
    def energy_j(self) -> float:
        """Joule a multiply-accumulate, without registers."""
        return self.multiply_j + self.add_j


def arithmetic(name: str, technology: Technology) -> Arithmetic:
    """The arithmetic of the format ``name``.

    Floating point accumulates in FP32 (the adder of a fused FP16 unit is as wide), FP64 in itself,
    integers in 32 bits.

    Raises:
        UserError: The format is not known.
    """
    e, a, f = technology.energy, technology.area_constants, technology.system.formats
    add_ge, add_j, held = a.fp32_add, e.fp32_add, 32.0
    if name in _INTEGER:
        bits = _INTEGER[name]
        growth = bits / 8.0
        return Arithmetic(
            bits=bits,
            multiply_ge=f.int8_multiply_area * growth**1.8,  # 282 to 3495 um2 from 8 to 32 bits
            add_ge=f.int32_add_area,
            multiply_j=e.fp16_multiply * f.int8_multiply * growth**2.0,  # 0.2 to 3.1 pJ
            add_j=e.int32_add,
            accumulator_bits=held,
        )
    if name in ("fp16", "tf32", "bf16"):
        share = f.bf16_multiply if name == "bf16" else 1.0
        bits = 32.0 if name == "tf32" else 16.0
        return Arithmetic(
            bits, a.fp16_multiply * share, add_ge, e.fp16_multiply * share, add_j, held
        )
    if name in ("fp8", "hfp8"):
        share = f.fp8_multiply
        return Arithmetic(
            8.0, a.fp16_multiply * share, add_ge, e.fp16_multiply * share, add_j, held
        )
    if name == "fp32":
        return Arithmetic(32.0, f.fp32_multiply_area, add_ge, e.fp32_multiply, add_j, held)
    if name in _SIGNIFICAND:
        p = _SIGNIFICAND[name]
        exponent = log(p / _FP32_BITS) / _WIDTHS
        area = log(f.fp32_multiply_area / a.fp16_multiply)
        wide = name == "fp64"
        ratio = 2.718281828459045**exponent
        multiply_ge = f.fp32_multiply_area * ratio**area
        multiply_j = e.fp32_multiply * ratio**_MULTIPLY_ENERGY
        if wide:
            add_ge, add_j, held = add_ge * ratio**_ADD_AREA, add_j * ratio**_ADD_ENERGY, 64.0
        return Arithmetic(64.0 if wide else 4.0, multiply_ge, add_ge, multiply_j, add_j, held)
    raise UserError(f"unknown number format '{name}'", notes=[f"known: {', '.join(FORMAT_NAMES)}"])
