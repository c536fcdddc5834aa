"""How far outputs are from a reference, and how far f16 arithmetic may be."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from asic_compiler.diagnostics import UserError, one_line
from asic_compiler.tensors.elements import Array, with_sign_of

OWN_TYPE, OWN_ERRORS = "own_type", "own_errors"
"""Keys in the header of a reference: the element type of the program, and the `relative_error` of
each output where PyTorch computes in that type, as a JSON object."""
DEFAULT_TOLERANCE = 1e-2
"""Where a reference does not say what PyTorch's own arithmetic loses."""
_OWN_FACTOR, _OWN_OFFSET = 2.0, 1e-3
_SHOWN = 8


def cut(lines: Sequence[str]) -> list[str]:
    """The first of many lines, and how many more there are."""
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more]


@dataclass(frozen=True, slots=True)
class OwnArithmetic:
    """What PyTorch loses when it computes in the program's own element type."""

    element_type: str
    """MLIR's name: ``f16``."""
    errors: Mapping[str, float]
    """`relative_error` of each output against PyTorch in f32."""

    def limit(self, name: str) -> float:
        """How far an output may be: twice what PyTorch loses, and a thousandth.

        A type that PyTorch overflows in is no measure; there the default tolerance stands.
        """
        error = self.errors.get(name, inf)
        return _OWN_FACTOR * error + _OWN_OFFSET if isfinite(error) else DEFAULT_TOLERANCE


def own_arithmetic(metadata: Mapping[str, str]) -> OwnArithmetic | None:
    """What the header of a reference says of PyTorch's own arithmetic; None if it is silent.

    Raises:
        UserError: What it says cannot be read.
    """
    if OWN_ERRORS not in metadata:
        return None
    try:
        found: Any = json.loads(metadata[OWN_ERRORS])
        errors = {name: float(error) for name, error in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UserError(f"the reference's header has an '{OWN_ERRORS}' that is no table") from None
    if not all(error >= 0 for error in errors.values()):
        raise UserError(f"the reference's header has an '{OWN_ERRORS}' below zero")
    return OwnArithmetic(metadata.get(OWN_TYPE, "own type"), errors)


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far one output is from its reference."""

    name: str
    shape: tuple[int, ...]
    max_abs: float
    """``max |output - reference|``; infinite where only one of them is a finite number."""
    max_rel: float
    """``max |output - reference| / max |reference|``: of the tensor's size, not element by
    element, which means nothing where a reference is about zero."""
    worst: tuple[int, ...]
    """Where the largest error is."""
    same_tokens: tuple[int, int] | None
    """For logits: positions whose largest logit is the reference's, and positions."""
    margin: float = 0.0
    """Where tokens differ: by how much the reference prefers its own, of the largest magnitude;
    the most of all positions."""

    @property
    def tokens(self) -> str:
        """Whether the next token is the same, in words; empty if there are none."""
        if self.same_tokens is None:
            return ""
        same, count = self.same_tokens
        told = f"{same}/{count} same"
        return told if same == count else f"{told}, margin {self.margin:.2e}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All outputs of a run against a reference."""

    outputs: tuple[OutputError, ...]

    def failures(self, tolerance: float) -> list[str]:
        """What is further than ``tolerance`` (of ``max_rel``), or predicts another token."""
        found: list[str] = []
        for output in self.outputs:
            if not output.max_rel <= tolerance:
                found.append(f"{_off(output)}, more than {tolerance:g}")
            if output.same_tokens is not None and output.same_tokens[0] != output.same_tokens[1]:
                same, count = output.same_tokens
                found.append(f"'{output.name}' gives another token at {count - same} of {count}")
        return found

    def failures_beside(self, own: OwnArithmetic) -> list[str]:
        """What is further than PyTorch's own arithmetic explains.

        Another token is no failure of its own: within these limits the reference prefers its
        token by no more than arithmetic of that type may err.
        """
        return [
            f"{_off(output)}, more than {own.limit(output.name):.3g}: twice the "
            f"{own.errors.get(output.name, inf):.3g} of PyTorch in {own.element_type}, and 0.001"
            for output in self.outputs
            if not output.max_rel <= own.limit(output.name)
        ]

    def table(self, own: OwnArithmetic | None = None) -> str:
        """One line an output, ending in a newline; with PyTorch's own errors if they are known."""
        beside = [] if own is None else [f"PyTorch {own.element_type}"]
        rows = [["output", "shape", "max abs error", "max rel error", *beside, "next token"]]
        for o in self.outputs:
            theirs = [] if own is None else [f"{own.errors.get(o.name, inf):.3e}"]
            figures = [f"{o.max_abs:.3e}", f"{o.max_rel:.3e}", *theirs]
            rows.append([o.name, _shape(o.shape), *figures, o.tokens])
        return _table(rows)


def _off(output: OutputError) -> str:
    return (
        f"'{output.name}' is off by {output.max_rel:.3g} of its largest magnitude "
        f"(at {list(output.worst)})"
    )


def summary(outputs: Mapping[str, Array], logits: Collection[str] = ("logits",)) -> str:
    """One line an output: shape, range and, of logits, the tokens; ending in a newline."""
    rows = [("output", "shape", "least", "greatest", "next token")]
    for name, array in outputs.items():
        tokens = ""
        if name in logits and array.ndim and array.size:
            tokens = " ".join(cut([str(t) for t in np.argmax(array, axis=-1).reshape(-1)]))
        least, most = (f"{float(f(array)):.4g}" if array.size else "" for f in (np.min, np.max))
        rows.append((name, _shape(array.shape), least, most, tokens))
    return _table(rows)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _table(rows: Sequence[Sequence[str]]) -> str:
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def compare(
    outputs: Mapping[str, Array],
    reference: Mapping[str, Array],
    logits: Collection[str] = ("logits",),
) -> Comparison:
    """Compares every output with the reference of its name, in f64, in the reference's order.

    Args:
        outputs: What a run gave.
        reference: What it should have given, of the same shapes.
        logits: Outputs whose largest element along the last dimension is a token.

    Raises:
        UserError: The names or the shapes differ.
    """
    problems = [f"'{name}' has no reference" for name in outputs if name not in reference]
    problems += [f"'{name}' is in the reference alone" for name in reference if name not in outputs]
    shapes = {n: (a.shape, reference[n].shape) for n, a in outputs.items() if n in reference}
    problems += [
        f"'{name}' has shape {list(mine)}, its reference {list(other)}"
        for name, (mine, other) in shapes.items()
        if mine != other
    ]
    if problems:
        notes = [*cut(problems), "a reference must be of the same model, phase, batch and context"]
        raise UserError("the reference is not one of these outputs", notes=notes)
    return Comparison(
        tuple(_compare(n, outputs[n], array, n in logits) for n, array in reference.items())
    )


def _compare(name: str, output: Array, reference: Array, is_logits: bool) -> OutputError:
    output = with_sign_of(output, reference.dtype)
    ours, theirs = output.astype(np.float64), reference.astype(np.float64)
    error, largest = _errors(ours, theirs)
    max_abs, max_rel = float(error.max(initial=0.0)), relative_error(ours, theirs)
    place: Any = np.unravel_index(int(error.argmax()), error.shape) if error.size else ()
    tokens, margin = None, 0.0
    if is_logits and ours.ndim and ours.size:
        mine, right = np.argmax(ours, axis=-1), np.argmax(theirs, axis=-1)
        tokens = (int(np.count_nonzero(mine == right)), int(np.size(mine)))
        picked = np.take_along_axis(theirs, np.stack((right, mine), -1), -1)
        with np.errstate(invalid="ignore"):
            margin = float(np.max(picked[..., 0] - picked[..., 1])) / (largest or 1.0)
    worst = tuple(int(i) for i in place)
    return OutputError(name, output.shape, max_abs, max_rel, worst, tokens, margin)


def relative_error(ours: Array, theirs: Array) -> float:
    """``max |ours - theirs| / max |theirs|``, of finite numbers; infinite where one is none."""
    error, largest = _errors(ours.astype(np.float64), theirs.astype(np.float64))
    most = float(error.max(initial=0.0))
    return 0.0 if most == 0 else (most / largest if largest else inf)


def _errors(ours: Array, theirs: Array) -> tuple[Array, float]:
    """The error of each element, and the reference's largest finite magnitude."""
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        error: Array = np.where(same, 0.0, np.abs(ours - theirs))
    error = np.where(np.isnan(error), inf, error)
    return error, float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0))
