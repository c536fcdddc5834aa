"""What every importer says of a module's function, and how its text is finished."""

from __future__ import annotations

import importlib
import re
from typing import Any

from asic_compiler.frontends.spec import ArgumentInfo, Workload

_ir: Any = importlib.import_module("torch_mlir.ir")

_DEFAULT_OVERFLOW = re.compile(
    r'("arith\.trunci"\([^)]*\)) <\{overflowFlags = #arith\.overflow<none>\}>'
)
"""The default of a property that xDSL 0.74's arith.trunci lacks: it says nothing."""


def without_defaults(text: str) -> str:
    """Generic text that xDSL reads."""
    return _DEFAULT_OVERFLOW.sub(r"\1", text)


def roles(infos: tuple[ArgumentInfo, ...]) -> Any:
    """Names, roles and layers of arguments or results, as an attribute of the current context."""
    i64 = _ir.IntegerType.get_signless(64)
    entries: list[Any] = []
    for info in infos:
        entry = {
            "asic.name": _ir.StringAttr.get(info.name),
            "asic.role": _ir.StringAttr.get(info.role),
        }
        if info.layer is not None:
            entry["asic.layer"] = _ir.IntegerAttr.get(i64, info.layer)
        entries.append(_ir.DictAttr.get(entry))
    return _ir.ArrayAttr.get(entries)


def workload_attribute(workload: Workload) -> Any:
    """``asic.workload`` of the module, as an attribute of the current context."""
    i64 = _ir.IntegerType.get_signless(64)
    return _ir.DictAttr.get(
        {
            "name": _ir.StringAttr.get(workload.name),
            "phase": _ir.StringAttr.get(workload.phase),
            "batch": _ir.IntegerAttr.get(i64, workload.batch),
            "context": _ir.IntegerAttr.get(i64, workload.context),
            "tokens": _ir.IntegerAttr.get(i64, workload.tokens),
        }
    )
