"""Verification that says where: the operation's own place, never a trace."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of


class InvalidOutputError(Exception):
    """A pass left IR that does not verify: a defect of the pass, not of the input."""


def verify_module(module: ModuleOp, *, written_by: str | None = None) -> None:
    """Verifies a module and everything in it.

    Args:
        module: What to verify.
        written_by: The pass that ran last, None for a module as the user gave it.

    Raises:
        UserError: The input does not verify.
        InvalidOutputError: The result of ``written_by`` does not verify.
    """
    try:
        module.verify()
    except (VerifyException, ValueError) as error:
        # xDSL's exception does not say which operation it is about: look again, one by one.
        culprit, message = _first_invalid(module) or (module, str(error))
        failure = UserError(f"'{culprit.name}': {_tidy(message)}", location_of(culprit))
        if written_by is None:
            raise failure from error
        raise InvalidOutputError(
            f"the IR after {written_by} does not verify: {failure.render(written_by)}"
        ) from error


def _first_invalid(module: ModuleOp) -> tuple[Operation, str] | None:
    for op in _inside_out(module):
        try:
            op.verify(verify_nested_ops=False)
        except (VerifyException, ValueError) as error:
            return op, str(error)
        for block in (block for region in op.regions for block in region.blocks):
            if block.first_op is None:
                try:
                    block.verify()
                except VerifyException as error:
                    return op, str(error)
    return None


def _inside_out(op: Operation) -> Iterator[Operation]:
    """Inner operations first: the order in which xDSL verifies."""
    for region in op.regions:
        for block in region.blocks:
            for inner in block.ops:
                yield from _inside_out(inner)
    yield op


def _tidy(message: str) -> str:
    return " ".join(message.split()).removeprefix("Operation does not verify: ")
