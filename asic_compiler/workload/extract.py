"""The operator table of a model, counted in its ``asic`` IR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DictionaryAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, OpResult, SSAValue

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects.asic import (
    AsicOp,
    ConcatOp,
    ConvOp,
    ElementwiseOp,
    GatherOp,
    KvAppendOp,
    LayoutOp,
    MatmulOp,
    PadOp,
    ReduceOp,
    WeightOp,
)
from asic_compiler.dialects.location import location_of
from asic_compiler.workload.body_cost import arithmetic_bits, body_cost
from asic_compiler.workload.constants import assign_constants, distinct_bytes, find_holders
from asic_compiler.workload.entry import Entry, How, Read, Use
from asic_compiler.workload.function import check_function, main_function
from asic_compiler.workload.names import OperatorNames
from asic_compiler.workload.spaces import assign_spaces
from asic_compiler.workload.table import OperatorClass, OperatorKind, OperatorTable
from asic_compiler.workload.values import (
    Role,
    ValueRoles,
    bits,
    count,
    elements_read,
    find_roles,
    root_of,
    shape,
    size_bytes,
)

WORKLOAD = "asic.workload"
"""Module attribute that says what one execution of the function is."""


def extract(module: ModuleOp) -> OperatorTable:
    """Counts the operators of the module's function.

    Free views do not appear. Every reader of a weight has its bytes; ``holders`` says which of
    them share a copy (``workload.constants``). An edge from a KV append carries the new tokens'
    bytes, not the cache. Without the ``asic.workload`` attribute the phase is ``inference`` and
    the batch is the leading size of the first argument.

    Raises:
        UserError: There is not one function; or it holds what was not raised, or what no program
            can do.
    """
    function = main_function(module)
    roles = find_roles(function)
    entries = [_entry(op, roles) for op in _operators(function)]
    check_function(function)
    assign_constants(entries)
    _assign_kv(entries, roles)
    assign_spaces(entries, roles)
    numbers: dict[OperatorClass, int] = {}
    sequence = [numbers.setdefault(entry.cost, len(numbers)) for entry in entries]
    name, phase, batch, context, tokens = _workload(module, function, entries)
    return OperatorTable(
        name=name,
        phase=phase,
        batch=batch,
        context=context,
        tokens_per_step=tokens,
        classes=tuple(numbers),
        sequence=np.array(sequence, dtype=np.int64),
        names=_names(entries),
        edges=_edges(entries),
        peak_activation_bytes=_peak_bytes(function, entries, roles),
        holders=find_holders(entries),
        distinct_weight_bytes=distinct_bytes(entries),
    )


def context_of(module: ModuleOp) -> int:
    """Tokens that the model's cache holds; 0 without one.

    Raises:
        UserError: As `main_function`.
    """
    appends = (op for op in _operators(main_function(module)) if isinstance(op, KvAppendOp))
    first = next(appends, None)
    return _integer(_fields(module), "context", 0 if first is None else _slots(first))


def operators(module: ModuleOp) -> list[AsicOp]:
    """The operations that the table counts, in its order: no weights, no free views.

    Raises:
        UserError: There is not one function, or it holds operations that were not raised.
    """
    return _operators(main_function(module))


def _operators(function: FuncOp) -> list[AsicOp]:
    counted: list[AsicOp] = []
    for op in function.body.block.ops:
        if not isinstance(op, AsicOp | ConstantOp | ReturnOp):
            raise UserError(
                f"{op.name} is not an asic operator",
                location_of(op),
                ["run --convert-linalg-to-asic first"],
            )
        if not isinstance(op, AsicOp) or isinstance(op, WeightOp):
            continue
        if isinstance(op, LayoutOp) and op.is_view:
            continue
        counted.append(op)
    return counted


def _entry(op: AsicOp, roles: ValueRoles) -> Entry:
    found = _reads(op)
    reads = _merged(found)
    cost = _shape_cost(op, roles)
    by_role = dict.fromkeys(Role, 0)
    for read in reads:
        by_role[roles.of(read.root)] += read.size_bytes
    written = 0 if isinstance(op, KvAppendOp) else sum(size_bytes(r) for r in op.results)
    to_kv = any(root in roles.kv for root in op.results)
    kv_written = written if to_kv else 0
    if isinstance(op, KvAppendOp):
        kv_written = size_bytes(op.values)
    return Entry(
        op,
        replace(
            cost,
            weight_read_bytes=by_role[Role.WEIGHT],
            kv_read_bytes=by_role[Role.KV],
            kv_write_bytes=kv_written,
            input_bytes=by_role[Role.ACTIVATION],
            output_bytes=0 if to_kv else written,
        ),
        reads,
        list(dict.fromkeys(read for read in found if roles.of(read.root) is Role.WEIGHT)),
    )


def _reads(op: AsicOp) -> list[Read]:
    match op:
        case ElementwiseOp():
            return _mapped(op.inputs, op.indexing_maps, [shape(op.result)] * len(op.inputs))
        case ReduceOp():
            reads = _mapped(op.inputs, op.indexing_maps, [op.iteration_sizes] * len(op.inputs))
            return reads + [_all(value) for value in op.inits]
        case LayoutOp():
            return _mapped([op.operand], [op.map], [shape(op.result)])
        case ConcatOp():
            dim, whole = op.dim.value.data, shape(op.result)
            pieces = [(*whole[:dim], size, *whole[dim + 1 :]) for size in op.sizes.get_values()]
            return _mapped(op.inputs, op.indexing_maps, pieces)
        case GatherOp():
            rows = size_bytes(op.table, min(count(op.result), count(op.table)))
            return [replace(_all(op.table, Use.TABLE), size_bytes=rows), _all(op.indices)]
        case MatmulOp():
            rhs = _all(op.rhs, Use.MATRIX, op.transpose_rhs is None)
            return [_all(op.lhs), rhs]
        case ConvOp():
            return [_all(op.input), _all(op.weight, Use.MATRIX)]
        case KvAppendOp():
            return [_all(op.values)]
        case _:
            return [_all(value) for value in op.operands]


def _all(value: SSAValue, use: Use = Use.BUFFER, *how: object) -> Read:
    return Read(root_of(value), size_bytes(value), (*how, *_views(value)), use)


def _views(value: SSAValue) -> How:
    """The free views that a value is seen through, and the shapes that they give."""
    found: list[object] = [shape(value)]
    while isinstance(value, OpResult) and isinstance(value.op, LayoutOp) and value.op.is_view:
        found.append(value.op.map.data)
        value = value.op.operand
        found.append(shape(value))
    return tuple(found)


def _mapped(
    values: Iterable[SSAValue], maps: Iterable[AffineMapAttr], boxes: Iterable[tuple[int, ...]]
) -> list[Read]:
    reads: list[Read] = []
    for value, map_, box in zip(values, maps, boxes, strict=True):
        elements = elements_read(map_.data, box, value)
        how = (map_.data, box, *_views(value))
        reads.append(Read(root_of(value), size_bytes(value, elements), how))
    return reads


def _merged(reads: Iterable[Read]) -> list[Read]:
    totals: dict[SSAValue, int] = {}
    for read in reads:
        totals[read.root] = totals.get(read.root, 0) + read.size_bytes
    return [Read(root, min(total, size_bytes(root))) for root, total in totals.items()]


def _shape_cost(op: AsicOp, roles: ValueRoles) -> OperatorClass:
    match op:
        case MatmulOp():
            batch, m, n, k = op.sizes
            constant = any(roles.of(root_of(v)) is Role.WEIGHT for v in op.operands)
            kind = OperatorKind.MATMUL if constant else OperatorKind.ATTENTION
            return OperatorClass(kind, batch, m, n, k, element_bits=bits(op.lhs))
        case ConvOp():
            groups, m, n, k = op.sizes
            return OperatorClass(OperatorKind.CONV, groups, m, n, k, element_bits=bits(op.input))
        case ElementwiseOp():
            block = op.body.block
            return OperatorClass(
                OperatorKind.ELEMENTWISE,
                elements=count(op.result),
                body=body_cost(block),
                element_bits=arithmetic_bits(block),
            )
        case ReduceOp():
            block = op.body.block
            return OperatorClass(
                OperatorKind.REDUCTION,
                elements=int(np.prod(op.iteration_sizes, dtype=np.int64)),
                body=body_cost(block),
                element_bits=arithmetic_bits(block),
            )
        case GatherOp():
            return _moved(OperatorKind.GATHER, op.result)
        case KvAppendOp():
            return _moved(OperatorKind.KV_APPEND, op.values)
        case LayoutOp() | ConcatOp() | PadOp():
            return _moved(OperatorKind.LAYOUT, op.result)
        case _:
            raise UserError(f"{op.name} cannot be counted", location_of(op))


def _moved(kind: OperatorKind, value: SSAValue) -> OperatorClass:
    return OperatorClass(kind, elements=count(value), element_bits=bits(value))


def _assign_kv(entries: list[Entry], roles: ValueRoles) -> None:
    """Gives each cache to its append, or to its first reader where nothing is appended."""
    placed: set[SSAValue] = set()
    for entry in entries:
        if isinstance(entry.op, KvAppendOp):
            placed |= {root_of(entry.op.cache), entry.op.result}
            entry.cost = replace(entry.cost, kv_bytes=size_bytes(entry.op.cache))
    for entry in entries:
        for read in entry.reads:
            if isinstance(entry.op, MatmulOp) and read.root in roles.kv - placed:
                placed.add(read.root)
                total = entry.cost.kv_bytes + size_bytes(read.root)
                entry.cost = replace(entry.cost, kv_bytes=total)


def _names(entries: list[Entry]) -> tuple[str, ...]:
    parameters = [
        [_parameter(read.root) for read in entry.reads if _parameter(read.root)]
        for entry in entries
    ]
    namer = OperatorNames(sorted({name for names in parameters for name in names if name}))
    return tuple(
        namer.name(
            names[0] if names else None,
            _label(entry),
            opens_scope=isinstance(entry.op, MatmulOp | ConvOp),
        )
        for entry, names in zip(entries, parameters, strict=True)
    )


def _parameter(root: SSAValue) -> str | None:
    if isinstance(root, OpResult) and isinstance(root.op, WeightOp):
        return root.op.parameter
    return None


def _label(entry: Entry) -> str:
    op = entry.op
    if isinstance(op, KvAppendOp) and op.role is not None:
        return f"{op.role.data}_append"
    if entry.cost.kind is OperatorKind.ATTENTION:
        return "scores" if cast(MatmulOp, op).transpose_rhs else "context"
    return entry.cost.kind.value


def _edges(entries: list[Entry]) -> NDArray[np.int64]:
    positions: dict[SSAValue, int] = {
        result: p for p, e in enumerate(entries) for result in e.op.results
    }
    edges: list[tuple[int, int, int]] = []
    for consumer, entry in enumerate(entries):
        for read in entry.reads:
            producer = positions.get(read.root)
            if producer is None:
                continue
            moved = read.size_bytes
            source = entries[producer].op
            if isinstance(source, KvAppendOp):
                moved = size_bytes(source.values)
            edges.append((producer, consumer, moved))
    return np.array(edges, dtype=np.int64).reshape(-1, 3)


def _peak_bytes(function: FuncOp, entries: list[Entry], roles: ValueRoles) -> int:
    """Largest sum of activations that exist while some operator runs."""
    last: dict[SSAValue, int] = {}
    first: dict[SSAValue, int] = {}
    for argument in function.body.block.args:
        if roles.of(argument) is Role.ACTIVATION and isinstance(argument.type, TensorType):
            first[argument] = 0
    for position, entry in enumerate(entries):
        for read in entry.reads:
            last[read.root] = position
        for result in entry.op.results:
            if roles.of(result) is Role.ACTIVATION:
                first[result] = position
                last.setdefault(result, position)
    end = function.body.block.last_op
    for operand in () if end is None else end.operands:
        last[root_of(operand)] = len(entries) - 1
    change = np.zeros(len(entries) + 1, dtype=np.int64)
    for value, start in first.items():
        if value in last:
            change[start] += size_bytes(value)
            change[last[value] + 1] -= size_bytes(value)
    return int(np.cumsum(change).max(initial=0))


def _workload(
    module: ModuleOp, function: FuncOp, entries: list[Entry]
) -> tuple[str, str, int, int, int]:
    """Name, phase, batch, context and tokens a step."""
    fields = _fields(module)
    shapes = [shape(a) for a in function.body.block.args if isinstance(a.type, TensorType)]
    batch = _integer(fields, "batch", shapes[0][0] if shapes and shapes[0] else 1)
    appended = next((e.op for e in entries if isinstance(e.op, KvAppendOp)), None)
    slots = 0 if appended is None else _slots(appended)
    return (
        _string(fields, "name", function.sym_name.data),
        _string(fields, "phase", "inference"),
        batch,
        _integer(fields, "context", slots),
        _integer(fields, "tokens", batch),
    )


def _fields(module: ModuleOp) -> Mapping[str, Attribute]:
    given = module.attributes.get(WORKLOAD)
    return given.data if isinstance(given, DictionaryAttr) else DictionaryAttr({}).data


def _slots(append: KvAppendOp) -> int:
    return shape(append.cache)[append.axis.value.data]


def _integer(fields: Mapping[str, Attribute], key: str, default: int) -> int:
    value = fields.get(key)
    return cast("IntegerAttr", value).value.data if isinstance(value, IntegerAttr) else default


def _string(fields: Mapping[str, Attribute], key: str, default: str) -> str:
    value = fields.get(key)
    return value.data if isinstance(value, StringAttr) else default
