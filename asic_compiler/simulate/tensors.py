"""Tensors for a run and from it: are they those of the program, and how far from a reference."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from xdsl.dialects.builtin import DenseResourceAttr, ModuleOp, StringAttr, TensorType
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.simulate.elements import Array
from asic_compiler.simulate.tensor_files import TensorFile

_SHOWN = 8
_CHUNK_BYTES = 1 << 24


def load(path: str | Path) -> TensorFile:
    """Opens a safetensors file; data is read when a tensor is asked for.

    Raises:
        UserError: There is no such file, it is none of this format, or it is not whole.
    """
    return TensorFile(Path(path))


def weights_of(module: ModuleOp) -> dict[str, TensorType[Attribute]]:
    """The named weights that a module of programs reads, with their types in the model."""
    wanted: dict[str, TensorType[Attribute]] = {}
    for op in module.body.block.ops:
        if isinstance(op, tcc.WeightOp) and isinstance(op.value, DenseResourceAttr):
            wanted[op.value.resource_handle.data] = op.tensor
    return wanted


def inputs_of(module: ModuleOp) -> dict[str, TensorType[Attribute]]:
    """What the host gives a module of programs: arguments that it sends, and contents of caches."""
    wanted: dict[str, TensorType[Attribute]] = {}
    for op in module.body.block.ops:
        match op:
            case tcc.ChannelOp(source=None, host=StringAttr(data=name)):
                wanted[name] = op.tensor
            case tcc.CacheOp() if op.argument is not None:
                wanted[op.sym_name.data] = op.tensor
            case _:
                pass
    return wanted


def select(
    file: TensorFile, wanted: Mapping[str, TensorType[Attribute]], what: str
) -> dict[str, Array]:
    """Those tensors of a file that a program reads.

    Args:
        file: Where they are; it may hold more.
        wanted: Their names and types.
        what: What they are, for messages: ``weights``, ``inputs``.

    Returns:
        Arrays in the order of ``wanted``, mapped into memory.

    Raises:
        UserError: Some are missing or have another shape or element type; all are told at once,
            with what the file holds besides and which model it was written for.
    """
    problems: list[str] = []
    for name, type_ in wanted.items():
        entry = file.entries.get(name)
        expected = "x".join((*map(str, type_.get_shape()), str(type_.element_type)))
        if entry is None:
            problems.append(f"'{name}' ({expected}) is missing")
        elif str(entry) != expected:
            problems.append(f"'{name}' is {entry}, the program reads {expected}")
    if not problems:
        return {name: file[name] for name in wanted}
    notes = _cut(problems)
    unread = [name for name in file if name not in wanted]
    if unread:
        notes.append(f"not read by the program: {', '.join(_cut(unread))}")
    origin = _origin(file)
    notes += [f"the file was written for {origin}"] if origin else []
    raise UserError(
        f"'{file.path}' has not the {what} of this program: "
        f"{len(problems)} of {len(wanted)} tensors do not fit",
        notes=notes,
    )


def _cut(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [*lines[:_SHOWN], *more]


def _origin(file: TensorFile) -> str:
    """Which model a file of ``asic-import`` is for; empty for any other."""
    facts = file.metadata
    if "model" not in facts:
        return ""
    context = f", context {facts['context']}" if facts.get("context", "0") != "0" else ""
    return f"{facts['model']}: {facts.get('phase')}, batch {facts.get('batch')}{context}"


def check_whole(file: TensorFile) -> None:
    """Compares a file's data with the SHA-256 in its header, where ``asic-import`` wrote one.

    Raises:
        UserError: The data has changed since it was written.
    """
    written = file.metadata.get("contents")
    if written is None:
        return
    digest = hashlib.sha256()
    for entry in file.entries.values():
        for start in range(entry.start, entry.stop, _CHUNK_BYTES):
            digest.update(file.raw(start, min(start + _CHUNK_BYTES, entry.stop)))
    if digest.hexdigest() != written:
        raise UserError(
            f"'{file.path}' is damaged: its data is not what its header says",
            notes=["write it again with asic-import --with-weights"],
        )


def check_related(weights: TensorFile | None, inputs: TensorFile, reference: TensorFile) -> None:
    """A reference must have been computed from these weights and inputs.

    Files without such a note (not written by ``asic-import``) are taken as they are.

    Raises:
        UserError: They are of different runs of ``asic-import``.
    """
    for what, file in (("weights", weights), ("inputs", inputs)):
        wanted = reference.metadata.get(what)
        given = None if file is None else file.metadata.get("contents")
        if file is not None and wanted is not None and given is not None and wanted != given:
            raise UserError(
                f"'{reference.path}' was not computed from the {what} in '{file.path}'",
                notes=[
                    f"the reference is of {_origin(reference)}, seed {_seed(reference)}",
                    f"the {what} are of {_origin(file)}, seed {_seed(file)}",
                    "take all three files from one run of asic-import --with-weights",
                ],
            )


def _seed(file: TensorFile) -> str:
    return file.metadata.get("seed", "unknown")


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """All outputs of a run against a reference."""

    outputs: tuple[OutputError, ...]

    def failures(self, tolerance: float) -> list[str]:
        """What is further than ``tolerance`` (of ``max_rel``), or predicts another token."""
        found: list[str] = []
        for output in self.outputs:
            if not output.max_rel <= tolerance:
                found.append(
                    f"'{output.name}' is off by {output.max_rel:.3g} of its largest magnitude "
                    f"(at {list(output.worst)}), more than {tolerance:g}"
                )
            if output.same_tokens is not None and output.same_tokens[0] != output.same_tokens[1]:
                same, count = output.same_tokens
                found.append(f"'{output.name}' gives another token at {count - same} of {count}")
        return found

    def table(self) -> str:
        """One line an output, ending in a newline."""
        rows = [("output", "shape", "max abs error", "max rel error", "next token")]
        for o in self.outputs:
            tokens = "" if o.same_tokens is None else f"{o.same_tokens[0]}/{o.same_tokens[1]} same"
            rows.append((o.name, _shape(o.shape), f"{o.max_abs:.3e}", f"{o.max_rel:.3e}", tokens))
        return _table(rows)


def summary(outputs: Mapping[str, Array], logits: Collection[str] = ("logits",)) -> str:
    """One line an output: shape, range and, of logits, the tokens; ending in a newline."""
    rows = [("output", "shape", "least", "greatest", "next token")]
    for name, array in outputs.items():
        tokens = ""
        if name in logits and array.ndim and array.size:
            tokens = " ".join(_cut([str(t) for t in np.argmax(array, axis=-1).reshape(-1)]))
        least, most = (f"{float(f(array)):.4g}" if array.size else "" for f in (np.min, np.max))
        rows.append((name, _shape(array.shape), least, most, tokens))
    return _table(rows)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _table(rows: Sequence[Sequence[str]]) -> str:
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
        notes = [*_cut(problems), "a reference must be of the same model, phase, batch and context"]
        raise UserError("the reference is not one of these outputs", notes=notes)
    return Comparison(
        tuple(_compare(n, outputs[n], array, n in logits) for n, array in reference.items())
    )


def _compare(name: str, output: Array, reference: Array, is_logits: bool) -> OutputError:
    ours, theirs = output.astype(np.float64), reference.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        error: Array = np.where(same, 0.0, np.abs(ours - theirs))
    error = np.where(np.isnan(error), inf, error)
    finite = np.abs(theirs[np.isfinite(theirs)])
    largest = float(finite.max(initial=0.0))
    max_abs = float(error.max(initial=0.0))
    max_rel = 0.0 if max_abs == 0 else (max_abs / largest if largest else inf)
    place: Any = np.unravel_index(int(error.argmax()), error.shape) if error.size else ()
    tokens = None
    if is_logits and ours.ndim and ours.size:
        matches = np.argmax(ours, axis=-1) == np.argmax(theirs, axis=-1)
        tokens = (int(np.count_nonzero(matches)), int(np.size(matches)))
    return OutputError(name, output.shape, max_abs, max_rel, tuple(int(i) for i in place), tokens)
