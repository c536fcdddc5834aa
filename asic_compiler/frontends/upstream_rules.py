"""Rules of upstream MLIR's dialects that xDSL 0.74 does not verify, found by operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from xdsl.dialects import tensor
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Operation

from asic_compiler.frontends import linalg_rules, tensor_rules

Rule = Callable[[Any], str | None]
"""How an operation, which xDSL's verifier has seen, breaks it; None if it does not."""

_RULES: tuple[tuple[type[Operation], Rule], ...] = (
    (linalg.TransposeOp, linalg_rules.transpose_rule),
    (linalg.BroadcastOp, linalg_rules.broadcast_rule),
    (LinalgStructuredOperation, linalg_rules.structured_rule),
    (linalg.IndexOp, linalg_rules.index_rule),
    (tensor.ExtractSliceOp, tensor_rules.extract_slice_rule),
    (tensor.InsertSliceOp, tensor_rules.insert_slice_rule),
    (tensor.PadOp, tensor_rules.pad_rule),
    (tensor.ExtractOp, tensor_rules.extract_rule),
    (tensor.ConcatOp, tensor_rules.concat_rule),
    (tensor.ExpandShapeOp, tensor_rules.reshape_rule),
    (tensor.CollapseShapeOp, tensor_rules.reshape_rule),
    (tensor.CastOp, tensor_rules.cast_rule),
    (tensor.ReshapeOp, tensor_rules.cast_rule),
    (tensor.FromElementsOp, tensor_rules.from_elements_rule),
)


def broken_rule(module: ModuleOp) -> tuple[Operation, str] | None:
    """The first operation of a verified module that breaks a rule, and how; None if none does."""
    for op in module.walk():
        for rule in _rules_of(type(op)):
            if (message := rule(op)) is not None:
                return op, message
    return None


def broken_rule_of(op: Operation) -> str | None:
    """How an operation breaks a rule; None if it does not."""
    return next((told for rule in _rules_of(type(op)) if (told := rule(op)) is not None), None)


@cache
def _rules_of(kind: type[Operation]) -> tuple[Rule, ...]:
    return tuple(rule for base, rule in _RULES if issubclass(kind, base))
