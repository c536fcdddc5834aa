"""The two workloads, as operator tables that are imported once and then read from a file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.explore.request import Request
from asic_compiler.explore.run import make_problem
from asic_compiler.files import write_atomic
from asic_compiler.workload.table import BodyCost, Load, OperatorClass, OperatorKind, OperatorTable

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "operator-tables"
IMPORTED_BY = ("frontends", "passes", "workload", "dialects")
"""Rooms that an operator table depends on: a change there makes it be imported again."""

NODES = ("3nm", "5nm", "7nm", "10nm", "14nm", "22nm", "28nm")


@dataclass(frozen=True, slots=True)
class Workload:
    """A model, what of it is run, and the mode that a chip is sought for."""

    title: str
    mode: Literal["high-performance", "low-power"]
    model: str
    options: tuple[tuple[str, str | int], ...]
    """Of ``ImportSpec``."""


WORKLOADS = {
    "llama": Workload(
        "Llama 3.1 8B decode, batch 3, context 2048, high-performance",
        "high-performance",
        "llama-3.1-8b",
        (("phase", "decode"), ("batch", 3), ("context", 2048)),
    ),
    "smolvlm": Workload(
        "SmolVLM-256M decode, batch 1, context 2048, low-power",
        "low-power",
        "smolvlm-256m",
        (("part", "text"), ("phase", "decode"), ("context", 2048)),
    ),
}


@cache
def problem_of(workload: str, node: str) -> ChipProblem:
    """The problem that every strategy is given."""
    chosen = WORKLOADS[workload]
    return make_problem(table_of(workload), Request(node=node, mode=chosen.mode).resolved())


def octaves(workload: str, node: str) -> float:
    """Score 1 in units of the logarithm of performance^a / (power^b area^c)."""
    span = problem_of(workload, node).ranges[0]
    return math.log(span.high / span.low)


@cache
def table_of(workload: str) -> OperatorTable:
    """The operator table, imported (a minute, with PyTorch) unless a file of it is up to date."""
    path = CACHE / f"{workload}-{_sources()}.json"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        write_atomic(path, written(_imported(WORKLOADS[workload])))
    return read(path.read_text())


def _imported(workload: Workload) -> OperatorTable:
    from xdsl.context import Context

    from asic_compiler.frontends import ImportSpec, import_model
    from asic_compiler.frontends.mlir_text import parse_module
    from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
    from asic_compiler.workload.extract import extract

    imported = import_model(ImportSpec(workload.model, **dict(workload.options)))  # type: ignore[arg-type]
    module = parse_module(imported.text, workload.model)
    ConvertLinalgToAsic().apply(Context(), module)
    return extract(module)


def written(table: OperatorTable) -> str:
    """A table as JSON."""
    fields = {f.name: getattr(table, f.name) for f in dataclasses.fields(table)}
    fields["classes"] = [dataclasses.asdict(one) for one in table.classes]
    fields["sequence"], fields["edges"] = table.sequence.tolist(), table.edges.tolist()
    fields["holders"] = None if table.holders is None else table.holders.tolist()
    return json.dumps(fields) + "\n"


def read(text: str) -> OperatorTable:
    """What :func:`written` wrote."""
    fields = json.loads(text)
    for one in fields["classes"]:
        one["kind"], one["body"] = OperatorKind(one["kind"]), BodyCost(**one["body"])
        one["space"] = tuple(one["space"])
        one["loads"] = tuple(Load(**load) for load in one["loads"])
    fields["classes"] = tuple(OperatorClass(**one) for one in fields["classes"])
    fields["names"] = tuple(fields["names"])
    fields["sequence"] = np.array(fields["sequence"], dtype=np.int64)
    fields["edges"] = np.array(fields["edges"], dtype=np.int64).reshape(-1, 3)
    if fields["holders"] is not None:
        fields["holders"] = np.array(fields["holders"], dtype=np.int64)
    return OperatorTable(**fields)


@cache
def _sources() -> str:
    told = hashlib.sha256()
    for room in IMPORTED_BY:
        for path in sorted((ROOT / "asic_compiler" / room).rglob("*.py")):
            told.update(path.read_bytes())
    return told.hexdigest()[:12]
