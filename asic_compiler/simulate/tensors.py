"""Tensors for a run: are they those of the program, and of one another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from xdsl.dialects.builtin import DenseResourceAttr, ModuleOp, StringAttr, TensorType
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.tensors.comparison import cut
from asic_compiler.tensors.elements import Array, dtype_of, with_sign_of
from asic_compiler.tensors.files import TensorFile

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
        Arrays in the order of ``wanted``, mapped into memory. Integers of a program have no sign of
        their own: bytes without sign (``ui8``) are the same bits, and come as the program's ``i8``.

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
        elif str(entry) not in (expected, _without_sign(type_)):
            problems.append(f"'{name}' is {entry}, the program reads {expected}")
    if not problems:
        return {
            name: with_sign_of(file[name], dtype_of(type_.element_type))
            for name, type_ in wanted.items()
        }
    notes = cut(problems)
    unread = [name for name in file if name not in wanted]
    if unread:
        notes.append(f"not read by the program: {', '.join(cut(unread))}")
    origin = _origin(file)
    notes += [f"the file was written for {origin}"] if origin else []
    raise UserError(
        f"'{file.path}' has not the {what} of this program: "
        f"{len(problems)} of {len(wanted)} tensors do not fit",
        notes=notes,
    )


def _without_sign(type_: TensorType[Attribute]) -> str:
    """What a file calls a tensor whose integers it holds without sign."""
    return "x".join((*map(str, type_.get_shape()), f"u{type_.element_type}"))


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
