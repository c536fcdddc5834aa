"""Why a module has no value here."""

from __future__ import annotations

from xdsl.dialects.builtin import UnregisteredOp
from xdsl.ir import Operation


class CannotEvaluateError(Exception):
    """A module is not checked: something in it is not known here, too large, or undefined."""


def name_of(op: Operation) -> str:
    """The operation's name, registered or not."""
    return op.op_name.data if isinstance(op, UnregisteredOp) else op.name
