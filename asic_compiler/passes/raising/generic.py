"""``linalg.generic`` and named operations with a scalar body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
)
from xdsl.dialects.linalg.attrs import IteratorType, IteratorTypeAttr
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineMap

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import (
    BodyBuilder,
    Instruction,
    constant_value,
    emit_operation,
    is_scalar_operation,
    name_of,
)
from asic_compiler.passes.raising.builder import (
    Empty,
    GraphBuilder,
    Splat,
    UnsupportedError,
    attribute_of,
    integers,
    static_type,
)
from asic_compiler.passes.raising.contraction import (
    contract,
    converted,
    factors,
    starts_at_negative_zero,
)
from asic_compiler.passes.raising.graph import Access, Elementwise, Gather, Reduce, whole
from asic_compiler.passes.raising.nests import (
    Structured,
    body_block,
    is_tensor,
    loop_sizes,
    operand_groups,
    written_maps,
)
from asic_compiler.passes.raising.views import Shape


def raise_generic(builder: GraphBuilder, op: Operation) -> None:
    """``linalg.generic``."""
    inputs, outputs = operand_groups(op)
    maps = attribute_of(op, "indexing_maps")
    kinds = attribute_of(op, "iterator_types")
    if not isinstance(maps, ArrayAttr) or not isinstance(kinds, ArrayAttr):
        raise UnsupportedError("indexing_maps or iterator_types are missing")
    affine = tuple(item.data for item in cast("ArrayAttr[AffineMapAttr]", maps))
    parallel = tuple(_is_parallel(kind) for kind in cast("ArrayAttr[Attribute]", kinds))
    raise_structured(builder, Structured(op, inputs, outputs, affine, parallel, body_block(op)))


def _is_parallel(kind: Attribute) -> bool:
    if isinstance(kind, IteratorTypeAttr):
        return kind.data is IteratorType.PARALLEL
    return isinstance(kind, StringAttr) and kind.data == "parallel"


def raise_elementwise(builder: GraphBuilder, op: Operation) -> None:
    """Named elementwise operations (``linalg.add``, ``linalg.exp``, ``linalg.copy``, ...)."""
    inputs, outputs = operand_groups(op)
    rank = len(static_type(outputs[0])[0])
    usual = tuple(
        AffineMap.identity(rank)
        if is_tensor(value) and static_type(value)[0]
        else AffineMap(rank, 0, ())
        for value in (*inputs, *outputs)
    )
    maps = written_maps(op, usual)
    raise_structured(builder, Structured(op, inputs, outputs, maps, (True,) * rank, body_block(op)))


def raise_reduce(builder: GraphBuilder, op: Operation) -> None:
    """``linalg.reduce``: a body over all dimensions, some of which fold."""
    half = len(op.operands) // 2
    inputs, outputs = tuple(op.operands[:half]), tuple(op.operands[half:])
    folded = integers(op, "dimensions")
    rank = len(static_type(inputs[0])[0])
    identity = AffineMap.identity(rank)
    kept = AffineMap(
        rank, 0, tuple(expr for d, expr in enumerate(identity.results) if d not in folded)
    )
    maps = (identity,) * half + (kept,) * half
    parallel = tuple(d not in folded for d in range(rank))
    raise_structured(builder, Structured(op, inputs, outputs, maps, parallel, body_block(op)))


def raise_structured(builder: GraphBuilder, nest: Structured) -> None:
    """Turns a loop nest into views, an elementwise node, a reduction or a matrix product."""
    sizes = loop_sizes(nest)
    order, slots = _loop_order(nest, sizes)
    ordered = tuple(sizes[loop] for loop in order)
    reader = _Reader(builder, nest, ordered, order, slots)
    if all(nest.parallel):
        _define_elementwise(builder, nest, reader, slots)
    else:
        _define_reduction(builder, nest, reader, slots)


def _loop_order(nest: Structured, sizes: Shape) -> tuple[list[int], list[int | None]]:
    """Loops in the order of the result's dimensions, reductions last; and which loop, if any,
    each result dimension is.
    """
    out = nest.maps[len(nest.inputs)]
    if any(map_ != out for map_ in nest.maps[len(nest.inputs) + 1 :]):
        raise UnsupportedError("its results have different indexing maps")
    slots: list[int | None] = []
    for expr in out.results:
        if isinstance(expr, AffineDimExpr) and nest.parallel[expr.position]:
            slots.append(expr.position)
        elif isinstance(expr, AffineConstantExpr) and expr.value == 0:
            slots.append(None)
        else:
            raise UnsupportedError("a result is not indexed by parallel loops alone")
    kept = [loop for loop in slots if loop is not None]
    missing = [i for i, p in enumerate(nest.parallel) if p and i not in kept]
    if len(set(kept)) != len(kept) or any(sizes[loop] != 1 for loop in missing):
        raise UnsupportedError("results are written more than once")
    folded = [i for i, parallel in enumerate(nest.parallel) if not parallel]
    return kept + missing + folded, slots


class _Reader:
    """Reads a nest's body; loops are renumbered into ``order``."""

    def __init__(
        self,
        builder: GraphBuilder,
        nest: Structured,
        sizes: Shape,
        order: Sequence[int],
        slots: Sequence[int | None],
    ) -> None:
        self.graph = builder
        self.nest = nest
        self.sizes = sizes
        self.position = {loop: i for i, loop in enumerate(order)}
        self.order = tuple(order)
        self.result_shape = tuple(1 if s is None else sizes[self.position[s]] for s in slots)
        self.folds = not all(nest.parallel)
        extracts = [op for op in nest.block.ops if op.name == "tensor.extract"]
        # Value numbers: inputs, extracted elements, then the outputs' previous contents.
        operands = [*nest.inputs, *(op.results[0] for op in extracts), *nest.outputs]
        self.body = BodyBuilder([_element(value) for value in operands])
        self.accesses: list[Access | None] = [None] * len(operands)
        self._extracts = {op: len(nest.inputs) + i for i, op in enumerate(extracts)}
        self.first_output = len(nest.inputs) + len(extracts)
        self._numbers: dict[SSAValue, int] = {}
        self.results: list[int] = []
        self._read()

    def _read(self) -> None:
        nest, block = self.nest, self.nest.block
        count = len(nest.inputs)
        for i, argument in enumerate(block.args):
            is_output = i >= count
            number = self.first_output + i - count if is_output else i
            operand = (*nest.inputs, *nest.outputs)[i]
            if argument.type != _element(operand):
                raise UnsupportedError(
                    f"its body takes {argument.type} for elements of type {_element(operand)}"
                )
            if is_output and self.folds:
                self._numbers[argument] = number
            elif argument.first_use is not None:
                self._numbers[argument] = self._operand(operand, number, nest.maps[i])
        for op in block.ops:
            self._read_operation(op)
        for operand, number in zip(nest.outputs, self.results, strict=True):
            if self.body.type_of(number) != _element(operand):
                raise UnsupportedError(
                    f"its body yields {self.body.type_of(number)} for elements of type "
                    f"{_element(operand)}"
                )

    def _operand(self, operand: SSAValue, number: int, map_: AffineMap) -> int:
        if not map_.results and not is_tensor(operand):
            return self._captured(operand)
        tensor = self.graph.tensor(operand)
        if isinstance(tensor, Splat):
            return self.body.constant(tensor.value)
        if isinstance(tensor, Empty):
            raise UnsupportedError("its body reads a tensor that was never written")
        self.accesses[number] = self.graph.through(self._view(map_), tensor)
        return number

    def _view(self, map_: AffineMap) -> views.View:
        sizes = [0] * len(self.order)
        for loop, position in self.position.items():
            sizes[loop] = self.sizes[position]
        view = views.from_affine(map_, tuple(sizes))
        if view is None:
            raise UnsupportedError(f"indexing map {map_} is not a sum of scaled loops")
        return views.permute(view, self.order)

    def _read_operation(self, op: Operation) -> None:
        name = name_of(op)
        match name:
            case "linalg.yield":
                self.results = [self._number(value) for value in op.operands]
            case "cf.assert":
                pass
            case "linalg.index":
                loop = integers(op, "dim")[0]
                index = Instruction(None, (), IndexType(), index=self.position[loop])
                self._numbers[op.results[0]] = self.body.emit(index)
            case "tensor.extract":
                self._numbers[op.results[0]] = self._extract(op)
            case _:
                self._numbers[op.results[0]] = self._scalar(op)

    def _scalar(self, op: Operation) -> int:
        if not is_scalar_operation(op):
            raise UnsupportedError(f"its body holds {name_of(op)}")
        operands = [self._number(value) for value in op.operands]
        return emit_operation(self.body, op, operands)

    def _number(self, value: SSAValue) -> int:
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = self._captured(value)
        return found

    def _captured(self, value: SSAValue) -> int:
        if not isinstance(value, OpResult) or not is_scalar_operation(value.op):
            raise UnsupportedError(f"its body uses a run-time scalar of type {value.type}")
        return self._scalar(value.op)

    def _extract(self, op: Operation) -> int:
        """An element read at computed indices: one of them may depend on data."""
        table = self.graph.access(op.operands[0])
        indices = [self._number(value) for value in op.operands[1:]]
        direct = [self._direct(number) for number in indices]
        self._require_inside(table, direct)
        computed = [i for i, number in enumerate(direct) if number is None]
        if len(computed) > 1:
            raise UnsupportedError("its body reads a tensor at several computed indices")
        number = self._extracts[op]
        if computed:
            access = self._gathered(op, table, computed[0], indices[computed[0]], direct)
        else:
            access = self.graph.through(self._point_view(direct), table)
        self.accesses[number] = access
        return number

    def _direct(self, number: int) -> tuple[bool, int] | None:
        """An index that is a loop (True, position) or a constant (False, value)."""
        instruction = self.body.value(number)
        if instruction is not None and instruction.index >= 0:
            return True, instruction.index
        value = constant_value(instruction)
        if isinstance(value, IntegerAttr):
            return False, cast("IntegerAttr", value).value.data
        return None

    def _require_inside(self, table: Access, direct: Sequence[tuple[bool, int] | None]) -> None:
        """Refuses an element that the table does not have: what it would be is not defined."""
        for size, point in zip(table.shape, direct, strict=True):
            if point is None:
                continue
            is_loop, value = point
            low, high = (0, self.sizes[value] - 1) if is_loop else (value, value)
            if low < 0 or high >= size:
                raise UnsupportedError(
                    f"its body reads elements {low}..{high} of a dimension of size {size}"
                )

    def _point_view(self, direct: Sequence[tuple[bool, int] | None]) -> views.View:
        loops = AffineMap.identity(len(self.sizes)).results
        results = tuple(
            (loops[point[1]] if point[0] else AffineConstantExpr(point[1]))
            for point in direct
            if point is not None
        )
        view = views.from_affine(AffineMap(len(self.sizes), 0, results), self.sizes)
        assert view is not None, "loops and constants are linear"
        return view

    def _gathered(
        self,
        op: Operation,
        table: Access,
        axis: int,
        index: int,
        direct: Sequence[tuple[bool, int] | None],
    ) -> Access:
        index = self._before_cast(index)
        selectors = self._selectors(op, index)
        loops = _used_loops(selectors.view)
        selectors = Access(
            selectors.value,
            views.regroup(selectors.view, [selectors.view.dims[loop] for loop in loops]),
        )
        rank = len(table.shape)
        rows = [d for d in range(rank) if d != axis]
        table = Access(table.value, views.permute(table.view, [axis, *rows]))
        graph = self.graph
        node = Gather(op)
        node.inputs = [graph.ordered(table), graph.ordered(selectors)]
        graph.add(node)
        row_shape = table.shape[1:]
        gathered = node.result(selectors.shape + row_shape, table.value.element)
        exprs = AffineMap.identity(len(self.sizes)).results
        points = [direct[d] for d in rows]
        results = tuple(exprs[loop] for loop in loops) + tuple(
            exprs[point[1]] if point[0] else AffineConstantExpr(point[1])
            for point in points
            if point is not None
        )
        view = views.from_affine(AffineMap(len(self.sizes), 0, results), self.sizes)
        assert view is not None, "loops and constants are linear"
        return graph.through(view, whole(gathered))

    def _before_cast(self, number: int) -> int:
        """An index as the integer it was cast from: tables are selected by plain integers."""
        instruction = self.body.value(number)
        if instruction is not None and instruction.kind is arith.IndexCastOp:
            return instruction.operands[0]
        raise UnsupportedError("its body computes an index that is not cast from an integer")

    def _selectors(self, op: Operation, index: int) -> Access:
        """The computed index of every iteration point, as a tensor of its own."""
        body, kept = self.body.finish([index])
        inputs = [self._accessed(number) for number in kept]
        if body.is_identity:
            return inputs[0]
        node = Elementwise(op, body)
        node.inputs = inputs
        self.graph.add(node)
        used = sorted({d for access in inputs for d in _used_loops(access.view)})
        if body.uses_index:
            used = list(range(len(self.sizes)))
        node.inputs = [
            Access(a.value, views.regroup(a.view, [a.view.dims[d] for d in used])) for a in inputs
        ]
        value = node.result(tuple(self.sizes[d] for d in used), body.type_of(body.results[0]))
        exprs = AffineMap.identity(len(self.sizes)).results
        outer = views.from_affine(
            AffineMap(len(self.sizes), 0, tuple(exprs[d] for d in used)), self.sizes
        )
        assert outer is not None, "loops are linear"
        return Access(value, outer)

    def _accessed(self, number: int) -> Access:
        access = self.accesses[number]
        assert access is not None, "every live argument of a body has an access"
        return access

    def inputs(self, kept: Sequence[int]) -> list[Access]:
        """Accesses of the arguments that a finished body still has."""
        return [self._accessed(number) for number in kept]


def _used_loops(view: views.View) -> list[int]:
    used = view.used
    return [d for d, factors in enumerate(view.dims) if any(f in used for f in factors)]


def _element(value: SSAValue) -> Attribute:
    return static_type(value)[1] if is_tensor(value) else value.type


def _define_elementwise(
    builder: GraphBuilder, nest: Structured, reader: _Reader, slots: Sequence[int | None]
) -> None:
    for result, number in zip(nest.op.results, reader.results, strict=True):
        if not builder.is_live(result):
            continue
        body, kept = reader.body.finish([number])
        element = static_type(result)[1]
        constant = constant_value(body.instructions[-1]) if body.instructions else None
        if not kept and constant is not None and len(body.instructions) == 1:
            builder.define(result, Splat(constant, reader.result_shape, element))
            continue
        inputs = [_in_result_space(access, slots, reader) for access in reader.inputs(kept)]
        if body.is_identity:
            builder.define(result, inputs[0])
            continue
        if body.uses_index:
            dims = {reader.position[s]: i for i, s in enumerate(slots) if s is not None}
            renumbered = BodyBuilder(body.arguments)
            results = renumbered.inline(body, range(len(body.arguments)), dims)
            body, _ = renumbered.finish(results, keep=len(body.arguments))
        node = Elementwise(nest.op, body)
        node.inputs = inputs
        builder.add(node)
        builder.define(result, whole(node.result(reader.result_shape, element)))


def _in_result_space(access: Access, slots: Sequence[int | None], reader: _Reader) -> Access:
    dims = [() if s is None else access.view.dims[reader.position[s]] for s in slots]
    return Access(access.value, views.regroup(access.view, dims))


def _define_reduction(
    builder: GraphBuilder, nest: Structured, reader: _Reader, slots: Sequence[int | None]
) -> None:
    if not reader.sizes:
        raise UnsupportedError("a reduction over no loops")
    first = reader.first_output
    outputs = _needed_outputs(builder, nest, reader)
    reduced = sum(not parallel for parallel in nest.parallel)
    kept_sizes = reader.sizes[: len(reader.sizes) - reduced]
    # Accumulators that are dropped come first, so that those kept are the trailing arguments.
    dropped = [i for i in range(len(nest.outputs)) if i not in outputs]
    order = [*range(first), *(first + i for i in dropped), *(first + i for i in outputs)]
    renumbered = BodyBuilder([reader.body.arguments[v] for v in order])
    whole_body, all_arguments = reader.body.finish(
        [reader.results[i] for i in outputs], keep=len(nest.outputs)
    )
    places = [order.index(v) for v in all_arguments]
    results = renumbered.inline(whole_body, places, {})
    body, kept = renumbered.finish(results, keep=len(outputs))
    inputs = reader.inputs([order[v] for v in kept[: len(kept) - len(outputs)]])
    elements = [static_type(nest.op.results[i])[1] for i in outputs]
    starts = [builder.tensor(nest.outputs[i]) for i in outputs]
    parts = factors(body) if len(outputs) == 1 and len(inputs) == 2 else None
    if parts is not None and not starts_at_negative_zero(starts[0]):
        order_of = {loop: i for i, loop in enumerate(reader.order)}
        dims = [None if s is None else order_of[s] for s in slots]
        lhs, rhs = converted(builder, nest.op, inputs, parts)
        contract(builder, nest.op, lhs, rhs, dims, starts[0], elements[0])
        return
    init = tuple(start.value for start in starts if isinstance(start, Splat))
    node = Reduce(nest.op, body, reader.sizes, reduced, ())
    if len(init) == len(starts):
        node.init = init
    else:
        tensors = [builder.materialised(start) for start in starts]
        inputs += [builder.ordered(builder.reshaped(t, kept_sizes)) for t in tensors]
    node.inputs = inputs
    builder.add(node)
    for i, element in zip(outputs, elements, strict=True):
        value = node.result(kept_sizes, element)
        builder.define(nest.op.results[i], builder.reshaped(whole(value), reader.result_shape))


def _needed_outputs(builder: GraphBuilder, nest: Structured, reader: _Reader) -> list[int]:
    """Results that are used, and those whose accumulators they depend on."""
    first, count = reader.first_output, len(nest.outputs)
    needed = {i for i, result in enumerate(nest.op.results) if builder.is_live(result)}
    while True:
        _, arguments = reader.body.finish([reader.results[i] for i in sorted(needed)])
        wider = needed | {v - first for v in arguments if first <= v < first + count}
        if wider == needed:
            return sorted(needed)
        needed = wider
