"""``--verify-numerics``: what a module computes is looked at after every pass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

import numpy as np
from xdsl.context import Context
from xdsl.dialect_interfaces.op_asm import OpAsmDialectInterface
from xdsl.dialects.builtin import FixedBitwidthType, ModuleOp
from xdsl.ir import Attribute

from asic_compiler.diagnostics import UserError, one_line
from asic_compiler.dialects import tcc
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.interpret.draw import resources, weight_elements
from asic_compiler.interpret.elements import Array, is_float, take_in, width
from asic_compiler.interpret.errors import CannotEvaluateError
from asic_compiler.interpret.evaluate import MOST_POINTS, cost
from asic_compiler.interpret.guard import (
    Guard,
    NumericsError,
    guard,
    named_weights,
    signatures,
)
from asic_compiler.interpret.machine import function_of
from asic_compiler.simulate import run_program
from asic_compiler.simulate.tensors import inputs_of, load, weights_of

IMPORT_SLACK = 1e-3
"""Of a result's largest magnitude: torch-mlir approximates constants (that of gelu by 1.6e-4)."""


def parse_seed(text: str) -> int:
    """The value of ``--verify-numerics``.

    Raises:
        UserError: It is no seed.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise UserError(
            f"--verify-numerics={text}: the seed is a number from 0 to 999999999",
            notes=["--verify-numerics alone is seed 0"],
        )
    return int(text)


class NumericsCheck:
    """Compares every module of a pipeline with the first that could be evaluated.

    Args:
        context: Whose resources are the data of named weights.
        seed: Of what is drawn.
        notes: Is given each note; by default it goes to stderr.
    """

    def __init__(
        self, context: Context, seed: int, notes: Callable[[str], None] | None = None
    ) -> None:
        self._context = context
        self._seed = seed
        self._tell = notes or tell
        self._guard: Guard | None = None

    def look(self, module: ModuleOp, written_by: str | None) -> None:
        """Looks at a module after parsing (None) or after a pass.

        Raises:
            NumericsError: The pass changed what the module computes.
        """
        if written_by is None:
            self._guard = None
        stage = "the input" if written_by is None else f"what {written_by} writes"
        try:
            if any(isinstance(op, tcc.ProgramOp) for op in module.body.block.ops):
                self._execute(module, written_by or "the input")
            elif self._guard is None:
                given = data_of(self._context, module)
                self._guard = guard(module, self._seed, given)
                for note in self._guard.notes:
                    self._tell(note)
            else:
                self._guard.compare(module, written_by or "the input")
        except CannotEvaluateError as error:
            self._tell(f"{stage} is not checked: {error}")

    def _execute(self, module: ModuleOp, written_by: str) -> None:
        """Runs programs on their own tiles."""
        if self._guard is None:
            raise CannotEvaluateError("there is no model before it to compare with")
        narrow = _narrow(module)
        if narrow is not None:
            raise CannotEvaluateError(f"'{narrow}' is stored in fewer bits than the model has")
        weights = named_weights(module, self._guard.given, self._seed)
        inputs = self._guard.inputs
        try:
            outputs = run_program(
                module,
                {name: inputs[name] for name in inputs_of(module)},
                {name: weights[name] for name in weights_of(module)},
            )
        except UserError as error:
            raise NumericsError(f"{written_by} wrote a program that fails: {error}") from error
        self._guard.compare_outputs(outputs, written_by)


def _narrow(module: ModuleOp) -> str | None:
    """A weight or cache that is quantised: the program then is not to compute the same."""
    for op in module.body.block.ops:
        if isinstance(op, tcc.WeightOp | tcc.CacheOp):
            element = op.tensor.element_type
            whole = element.bitwidth if isinstance(element, FixedBitwidthType) else 1
            if op.bits.value.data < min(whole, 16):
                return op.sym_name.data
    return None


def verify_import(text: str, name: str, folder: Path) -> list[str]:
    """Compares an imported module with what PyTorch computed from the same numbers.

    Args:
        text: The module.
        name: Of the model, for messages.
        folder: Weights, inputs and reference, as ``asic-import --with-weights`` writes them.

    Returns:
        Notes on what is not checked.

    Raises:
        NumericsError: The module computes something else.
    """
    module = parse_module(text, name)
    files = [load(folder / f"{what}.safetensors") for what in ("inputs", "weights", "reference")]
    inputs, weights, reference = files
    try:
        elements = weight_elements(module)
        given = {key: take_in(weights[key], elements[key]) for key in weights if key in elements}
        arguments, _ = signatures(module)
        drawn = [
            take_in(inputs[key], element)
            for key, element in zip(arguments.names, arguments.elements, strict=True)
        ]
        held = guard(module, 0, given, drawn)
    except CannotEvaluateError as error:
        return [f"the module is not checked: {error}"]
    # PyTorch computed in f32 from the module's numbers: no rounding of the module's has a part.
    held.compare_precise(reference, "the import (PyTorch's is the second number)", IMPORT_SLACK)
    return held.notes


def data_of(context: Context, module: ModuleOp) -> Mapping[str, Array]:
    """The named constants of a module whose data is in its text."""
    found: dict[str, Array] = {}
    builtin = next((d for d in context.loaded_dialects if d.name == "builtin"), None)
    store = builtin.get_interface(OpAsmDialectInterface) if builtin is not None else None
    if store is None:
        return found
    elements = weight_elements(module)
    for resource in resources(module):
        name = resource.resource_handle.data
        blob = store.lookup(name)
        array = _unpacked(blob, resource.type.get_shape(), elements[name]) if blob else None
        if array is not None:
            found[name] = array
    return found


def _unpacked(blob: str, shape: tuple[int, ...], element: Attribute) -> Array | None:
    """The numbers of a blob: 4 bytes of alignment, then little-endian data; None if it is short."""
    raw = bytes.fromhex(blob.removeprefix("0x"))[4:]
    if is_float(element):
        size = {"f64": 8, "f32": 4, "bf16": 2, "f16": 2}.get(str(element), 1)
    else:
        size = max(8, width(element)) // 8
    if len(raw) != size * int(np.prod(shape, dtype=np.int64)):
        return None
    if str(element) == "bf16":
        stored = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif is_float(element) and size == 1:
        return None
    else:
        stored = np.frombuffer(raw, f"<{'f' if is_float(element) else 'i'}{size}")
    return take_in(stored.reshape(shape), element)


def too_large(text: str, name: str) -> str | None:
    """Why a module cannot be evaluated, before anything is drawn for it; None if it can."""
    module = parse_module(text, name)
    try:
        points = cost(function_of(module))
    except CannotEvaluateError as error:
        return str(error)
    weights = sum(prod(r.type.get_shape()) for r in resources(module))
    if points > MOST_POINTS or weights > MOST_POINTS:
        return f"its {max(points, weights):.3g} points are more than {MOST_POINTS:.3g}"
    return None


def tell(note: str) -> None:
    """Prints a note on stderr."""
    print(one_line(f"note: --verify-numerics: {note}"), file=sys.stderr)
