"""Verification that says where: the operation's own place, never a trace."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.location import location_of
from asic_compiler.frontends.dominance import undominated_use
from asic_compiler.frontends.limits import oversized
from asic_compiler.frontends.upstream_rules import broken_rule, broken_rule_of


class InvalidOutputError(Exception):
    """A pass left IR that does not verify: a defect of the pass, not of the input."""


def verify_module(module: ModuleOp, *, written_by: str | None = None) -> None:
    """Verifies a module and everything in it, the order of definitions and uses included.

    Verifiers of dialects that are not ours raise all sorts on what they did not expect: whatever
    one raises is about the module, and so the fault of whoever wrote it.

    Args:
        module: What to verify.
        written_by: The pass that ran last, None for a module as the user gave it.

    Raises:
        UserError: The input does not verify.
        InvalidOutputError: The result of ``written_by`` does not verify.
    """
    found = _first_fault(module)
    if found is None:
        return
    culprit, error = found
    message = error if isinstance(error, str) else _message(error)
    failure = UserError(f"'{culprit.name}': {_tidy(message)}", location_of(culprit))
    cause = error if isinstance(error, Exception) else None
    if written_by is None:
        raise failure from cause
    raise InvalidOutputError(
        f"the IR after {written_by} does not verify: {failure.render(written_by)}"
    ) from cause


def _first_fault(module: ModuleOp) -> tuple[Operation, Exception | str] | None:
    if (early := undominated_use(module)) is not None:
        return early
    if (large := oversized(module)) is not None:
        return large
    try:
        module.verify()
    except Exception as error:
        # xDSL's exception does not say which operation it is about: look again, one by one.
        return _first_invalid(module) or (module, error)
    return broken_rule(module)


def _message(error: Exception) -> str:
    """What a verifier says; Python's own errors do not say it to a reader."""
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    if isinstance(error, VerifyException | ValueError) and str(error):
        return str(error)
    return f"it is malformed ({type(error).__name__}: {error})"


def _first_invalid(module: ModuleOp) -> tuple[Operation, Exception] | None:
    """The first operation that a rule refuses, else the first whose verifier stumbles."""
    stumbled: tuple[Operation, Exception] | None = None
    for op in _inside_out(module):
        try:
            op.verify(verify_nested_ops=False)
        except (VerifyException, ValueError) as error:
            return op, error
        except Exception as error:
            stumbled = stumbled or (op, _explained(op, error))
        for block in (block for region in op.regions for block in region.blocks):
            if block.first_op is None:
                try:
                    block.verify()
                except VerifyException as error:
                    return op, error
    return stumbled


def _explained(op: Operation, error: Exception) -> Exception:
    """What a rule of our own says of an operation whose verifier stumbled, if one says more."""
    try:
        message = broken_rule_of(op)
    except Exception:
        return error
    return error if message is None else VerifyException(message)


def _inside_out(op: Operation) -> Iterator[Operation]:
    """Inner operations first: the order in which xDSL verifies."""
    for region in op.regions:
        for block in region.blocks:
            for inner in block.ops:
                yield from _inside_out(inner)
    yield op


def _tidy(message: str) -> str:
    return " ".join(message.split()).removeprefix("Operation does not verify: ")
