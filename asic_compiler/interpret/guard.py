"""A module held to what it computed before: the check behind ``--verify-numerics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute

from asic_compiler.interpret.draw import draw_arguments, draw_weights, weight_elements
from asic_compiler.interpret.elements import Array, give_out, is_float, take_in
from asic_compiler.interpret.evaluate import evaluate
from asic_compiler.interpret.machine import function_of, tensor_type
from asic_compiler.interpret.numbers import Numbers
from asic_compiler.interpret.samples import Difference, Samples, sample


class NumericsError(Exception):
    """A pass changed what the module computes: a defect of the compiler."""


@dataclass(frozen=True)
class Signature:
    """Names and element types of a function's arguments or results."""

    names: tuple[str, ...]
    elements: tuple[Attribute, ...]
    types: tuple[Attribute, ...]

    def named(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Arrays by name, as programs and files hold them."""
        return {
            name: give_out(array, element)
            for name, array, element in zip(self.names, arrays, self.elements, strict=True)
        }


@dataclass(frozen=True)
class Guard:
    """A module's results on small random numbers, which later modules must give as well."""

    arguments: Signature
    results: Signature
    samples: Samples
    drawn: tuple[Array, ...]
    """The arguments, as `elements` holds them."""
    given: Mapping[str, Array]
    """Named constants that were not drawn."""
    seed: int

    @property
    def notes(self) -> list[str]:
        """What is not compared, and why."""
        return [
            f"result '{self.results.names[i]}' is not compared: on the numbers drawn it is NaN, "
            "or depends on how floats round"
            for i in self.samples.undetermined
        ]

    @property
    def inputs(self) -> dict[str, Array]:
        """The arguments by name, as programs take them."""
        return self.arguments.named(self.drawn)

    def compare(self, module: ModuleOp, written_by: str) -> None:
        """Evaluates a later module: linalg on tensors, or ``asic``.

        Args:
            module: It computes the same, or else.
            written_by: The pass, for the error.

        Raises:
            NumericsError: It computes something else.
            CannotEvaluateError: It cannot be evaluated.
        """
        if signatures(module) != (self.arguments, self.results):
            raise NumericsError(f"{written_by} changed the signature of the function")
        weights = draw_weights(module, self.given, self.seed)
        own, wide = (
            evaluate(module, self.drawn, weights, Numbers(wide=wide)) for wide in (False, True)
        )
        self._report(self.samples.differences(own, wide), written_by)

    def compare_outputs(self, outputs: Mapping[str, Array], written_by: str) -> None:
        """Compares what an execution gave in the module's own types, by the names of results.

        Raises:
            NumericsError: It is something else, or a result is missing.
        """
        found = self._in_order(outputs, written_by)
        own = [take_in(a, e) for a, e in zip(found, self.results.elements, strict=True)]
        self._report(self.samples.differences(own, None), written_by)

    def compare_precise(self, outputs: Mapping[str, Array], written_by: str, slack: float) -> None:
        """Compares what was computed more precisely than the module's own types are.

        Args:
            outputs: By the names of results.
            written_by: What gave them, for the error.
            slack: Share of a result's largest magnitude that floats may differ by.

        Raises:
            NumericsError: It is something else, or a result is missing.
        """
        found = self._in_order(outputs, written_by)
        wide = [
            self._where_finite(i, array) if is_float(element) else take_in(array, element)
            for i, (array, element) in enumerate(zip(found, self.results.elements, strict=True))
        ]
        self._report(self.samples.differences(None, wide, slack), written_by)

    def _where_finite(self, output: int, array: Array) -> Array:
        """Numbers as float64; the module's where both overflow in the types they are computed in.

        An overflow says nothing: which infinity it is, or NaN, depends on the order of sums.
        """
        own, wide = self.samples.own[0][output], self.samples.wide[0][output]
        overflow = ~np.isfinite(array) & ~np.isfinite(own)
        return np.where(overflow, wide, np.asarray(array, np.float64))

    def _in_order(self, outputs: Mapping[str, Array], written_by: str) -> list[Array]:
        for name, array in zip(self.results.names, self.samples.own[0], strict=True):
            if name not in outputs or outputs[name].shape != array.shape:
                raise NumericsError(f"{written_by} lost the result '{name}'")
        return [outputs[name] for name in self.results.names]

    def _report(self, differences: Sequence[Difference], written_by: str) -> None:
        if not differences:
            return
        told = [f"result '{self.results.names[d.output]}' {d}" for d in differences]
        more = f"; {len(told) - 1} more results are off" if len(told) > 1 else ""
        raise NumericsError(f"{written_by} changed what the module computes: {told[0]}{more}")


def guard(
    module: ModuleOp,
    seed: int = 0,
    given: Mapping[str, Array] | None = None,
    arguments: Sequence[Array] | None = None,
) -> Guard:
    """Evaluates a module as what later ones are held to.

    Args:
        module: Linalg on tensors, or ``asic``.
        seed: Of arguments, weights and noise.
        given: Named constants as `elements` holds them; others are drawn.
        arguments: Likewise; drawn if None.

    Raises:
        CannotEvaluateError: It cannot be evaluated.
    """
    given = dict(given or {})
    drawn = draw_arguments(module, seed) if arguments is None else list(arguments)
    samples = sample(module, drawn, draw_weights(module, given, seed), seed)
    return Guard(*signatures(module), samples, tuple(drawn), given, seed)


def named_weights(module: ModuleOp, given: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """Every named constant of a module, as programs take them."""
    elements = weight_elements(module)
    weights = draw_weights(module, given, seed)
    return {name: give_out(array, elements[name]) for name, array in weights.items()}


def signatures(module: ModuleOp) -> tuple[Signature, Signature]:
    """Arguments and results of a module's function.

    Names are those of ``asic.name``, else ``arg0`` and so on, and ``result0`` and so on.

    Raises:
        CannotEvaluateError: It has no function of tensors.
    """
    function = function_of(module)
    last = function.body.block.last_op
    values = (tuple(function.body.block.args), tuple(last.operands) if last is not None else ())
    attributes = (function.arg_attrs, function.res_attrs)
    found = [
        Signature(
            _names(marks, prefix, len(those)),
            tuple(tensor_type(value).element_type for value in those),
            tuple(value.type for value in those),
        )
        for those, marks, prefix in zip(values, attributes, ("arg", "result"), strict=True)
    ]
    return found[0], found[1]


def _names(marks: ArrayAttr[DictionaryAttr] | None, prefix: str, count: int) -> tuple[str, ...]:
    names = [f"{prefix}{i}" for i in range(count)]
    for i, mark in enumerate(marks or ()):
        name = mark.data.get("asic.name")
        if isinstance(name, StringAttr):
            names[i] = name.data
    return tuple(names)
