"""Number formats of weights, activations and cache, each with what it does to accuracy.

Widths below the model's own are used only where the user allows them, and whoever gets a chip
with one is told its note.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from asic_compiler.diagnostics import UserError


class Arithmetic(StrEnum):
    """What the multipliers of the tensor unit take."""

    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class Format:
    """How contractions whose operands are 16 bits wide in the program are stored and computed."""

    name: str
    weight_bits: int
    """Stored width of a weight."""
    activation_bits: int
    """Width of an operand at the multipliers."""
    arithmetic: Arithmetic
    note: str
    """What it does to accuracy; empty for the model's own."""

    @property
    def unpacks(self) -> bool:
        """Stored weights are integers that floating-point multipliers take."""
        return self.weight_bits < self.activation_bits and self.arithmetic is not Arithmetic.INT8


FORMATS: tuple[Format, ...] = (
    Format("fp16", 16, 16, Arithmetic.FP16, ""),
    Format("bf16", 16, 16, Arithmetic.BF16,
           "bfloat16: 8 bits of significand for 11, the range of FP32; harmless for models "
           "trained in it"),
    Format("w8a16", 8, 16, Arithmetic.FP16,
           "8-bit weights with a scale a channel: usually no measurable loss (LLM.int8(), "
           "Dettmers et al. 2022)"),
    Format("w4a16", 4, 16, Arithmetic.FP16,
           "4-bit weights with a scale for 128: some tenths of perplexity for models of this size, "
           "after calibration (GPTQ, Frantar et al. 2023; AWQ, Lin et al. 2024)"),
    Format("fp8", 8, 8, Arithmetic.FP8,
           "e4m3 weights and activations: close to FP16 with a scale a tensor "
           "(Micikevicius et al. 2022)"),
    Format("w8a8", 8, 8, Arithmetic.INT8,
           "8-bit integer weights and activations: outliers of activations must be smoothed into "
           "the weights first (SmoothQuant, Xiao et al. 2023)"),
    Format("w4a8", 4, 8, Arithmetic.INT8,
           "4-bit weights, 8-bit activations: a loss that calibration reduces and does not remove "
           "(QServe, Lin et al. 2024)"),
)  # fmt: skip
FORMAT_INDEX: dict[str, int] = {f.name: i for i, f in enumerate(FORMATS)}

KV_NOTES: dict[int, str] = {
    16: "",
    8: "8-bit cache with a scale for each head and token: usually no measurable loss",
    4: "4-bit cache with a scale for each head and token: a small loss that grows with context "
    "(KVQuant, Hooper et al. 2024; KIVI, Liu et al. 2024)",
}


def formats_named(names: tuple[str, ...]) -> tuple[Format, ...]:
    """The formats called ``names``.

    Raises:
        UserError: One is not known.
    """
    for name in names:
        if name not in FORMAT_INDEX:
            known = ", ".join(FORMAT_INDEX)
            raise UserError(f"unknown precision '{name}'", notes=[f"known: {known}"])
    return tuple(FORMATS[FORMAT_INDEX[name]] for name in names)


def formats_of_widths(
    weight_bits: tuple[int, ...], activation_bits: tuple[int, ...]
) -> tuple[Format, ...]:
    """The formats of allowed widths, in the order of the widths; integers below 16 bits.

    A weight is never wider than the activation it meets.

    Raises:
        UserError: No format has widths that are allowed.
    """
    found = tuple(
        FORMATS[FORMAT_INDEX[name]]
        for a in activation_bits
        for w in weight_bits
        if (name := "fp16" if (w, a) == (16, 16) else f"w{w}a{a}") in FORMAT_INDEX
    )
    if not found:
        raise UserError(
            f"no format has weights of {weight_bits} and activations of {activation_bits} bits",
            notes=[f"known: {', '.join(FORMAT_INDEX)}"],
        )
    return found
