"""Folding over the graph: roundings into products, widenings into readers, bodies into bodies."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects import arith
from xdsl.dialects.builtin import FixedBitwidthType
from xdsl.ir import Attribute

from asic_compiler.passes.raising import views
from asic_compiler.passes.raising.bodies import Body, BodyBuilder
from asic_compiler.passes.raising.graph import (
    Access,
    Conv,
    Elementwise,
    Matmul,
    Node,
    Reduce,
    Return,
    Value,
)
from asic_compiler.passes.raising.views import View

MOST_INSTRUCTIONS = 256
"""Of one operator's body: the loop that runs it lies in a tile's instruction memory, and a body
that grew without end would be copied at every operator of a chain."""


def live_nodes(nodes: Iterable[Node]) -> list[Node]:
    """The operators that the function's results depend on, in program order."""
    order = list(nodes)
    live: set[int] = set()
    for node in reversed(order):
        if isinstance(node, Return) or id(node) in live:
            live.add(id(node))
            live.update(id(access.value.node) for access in node.inputs)
    return [node for node in order if id(node) in live]


def fuse(nodes: Iterable[Node]) -> list[Node]:
    """Folds a function's operators; nothing of the scalar semantics is lost.

    1. The rounding of a product's accumulator becomes the product's own.
    2. A conversion to a wider type moves into each of its readers: they read the narrow tensor.
    3. An elementwise operator with a single reader moves into it, unless points would be
       computed more than once, or the body would be longer than `MOST_INSTRUCTIONS`.
    """
    kept = live_nodes(nodes)
    users = _Users(kept)
    for node in kept:
        if isinstance(node, Elementwise):
            _fold_rounding(node, users)
    kept = live_nodes(kept)
    users = _Users(kept)
    for node in kept:
        _absorb(node, users, widenings=True)
    kept = live_nodes(kept)
    users = _Users(kept)
    for node in kept:
        _absorb(node, users, widenings=False)
    return live_nodes(kept)


class _Users:
    """Which operators read each value, in order, once a reader."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._readers: dict[int, dict[int, Node]] = {}
        for node in nodes:
            self.add(node)

    def add(self, node: Node) -> None:
        for access in node.inputs:
            self._readers.setdefault(id(access.value), {})[id(node)] = node

    def of(self, value: Value) -> list[Node]:
        return list(self._readers.get(id(value), {}).values())

    def changed(self, node: Node, before: Iterable[Access]) -> None:
        """Updates after a node's inputs were replaced."""
        for access in before:
            self._readers[id(access.value)].pop(id(node), None)
        self.add(node)


def _fold_rounding(node: Elementwise, users: _Users) -> None:
    body = node.body
    if len(body.instructions) != 1 or len(body.arguments) != 1 or body.results != (1,):
        return
    (access,) = node.inputs
    product = access.value.node
    if (
        body.instructions[0].kind is not arith.TruncFOp
        or not isinstance(product, Matmul | Conv)
        or not access.is_reshape
        or users.of(access.value) != [node]
    ):
        return
    rounded = node.results[0]
    readers = users.of(rounded)
    replaced: list[list[Access]] = []
    for reader in readers:
        inputs: list[Access] = []
        for used in reader.inputs:
            view = used.view
            if used.value is rounded:
                through = views.compose(view, access.view)
                if through is None:
                    return
                view = through
            inputs.append(Access(access.value if used.value is rounded else used.value, view))
        replaced.append(inputs)
    access.value.element = rounded.element
    for reader, inputs in zip(readers, replaced, strict=True):
        before, reader.inputs = reader.inputs, inputs
        users.changed(reader, before)


def _absorb(node: Node, users: _Users, *, widenings: bool) -> None:
    """Moves elementwise producers into a vector operator, as long as one fits."""
    if not isinstance(node, Elementwise | Reduce):
        return
    tried: set[int] = set()
    while True:
        count = len(node.inputs) - (node.starts if isinstance(node, Reduce) else 0)
        candidates = [a for a in node.inputs[:count] if id(a.value) not in tried]
        if not candidates:
            return
        access = candidates[0]
        tried.add(id(access.value))
        producer = access.value.node
        if not isinstance(producer, Elementwise):
            continue
        if widenings:
            if not _is_widening(producer):
                continue
        elif not _has_single_reader(node, producer, access, users):
            continue
        if len(producer.body.instructions) + len(node.body.instructions) > MOST_INSTRUCTIONS:
            continue
        _inline(node, producer, users)


def _is_widening(node: Elementwise) -> bool:
    body = node.body
    return (
        len(body.arguments) == 1
        and bool(body.instructions)
        and all(i.kind in (arith.ExtFOp, arith.ExtSIOp, arith.ExtUIOp) for i in body.instructions)
        and _bits(node.results[0].element) >= _bits(body.arguments[0])
    )


def _bits(element: Attribute) -> int:
    return element.bitwidth if isinstance(element, FixedBitwidthType) else 64


def _has_single_reader(
    node: Elementwise | Reduce, producer: Elementwise, access: Access, users: _Users
) -> bool:
    if users.of(access.value) != [node]:
        return False
    reads = {a.view for a in node.inputs if a.value is access.value}
    if len(reads) != 1:
        return False
    points = access.view.count
    # Broadcasting a constant or a copy costs nothing extra; real work is not repeated.
    return points <= access.value.count or not producer.body.instructions


def _inline(node: Elementwise | Reduce, producer: Elementwise, users: _Users) -> None:
    """Replaces what a node reads of a producer by the producer's own body and inputs."""
    value = producer.results[0]
    starts = node.starts if isinstance(node, Reduce) else 0
    count = len(node.inputs) - starts
    accumulators = len(node.body.arguments) - count
    inputs: list[Access] = []
    plan: list[int | list[int]] = []
    indices: list[dict[int, int]] = []
    for access in node.inputs[:count]:
        if access.value is not value:
            plan.append(_slot(inputs, access))
            indices.append({})
            continue
        positions = _index_positions(producer.body, access.view)
        through = [views.compose(access.view, a.view) for a in producer.inputs]
        if positions is None or any(view is None for view in through):
            return
        slots = [
            _slot(inputs, Access(a.value, view))
            for a, view in zip(producer.inputs, through, strict=True)
            if view is not None
        ]
        plan.append(slots)
        indices.append(positions)
    elements: list[Attribute] = [access.value.element for access in inputs]
    builder = BodyBuilder([*elements, *node.body.arguments[count:]])
    values: list[int] = []
    for step, positions in zip(plan, indices, strict=True):
        if isinstance(step, int):
            values.append(step)
        else:
            values += builder.inline(producer.body, step, positions)
    values += range(len(inputs), len(inputs) + accumulators)
    results = builder.inline(node.body, values, {})
    body, kept = builder.finish(results, keep=accumulators)
    before = node.inputs
    node.body = body
    node.inputs = [inputs[i] for i in kept[: len(kept) - accumulators]] + before[count:]
    users.changed(node, before)


def _slot(inputs: list[Access], access: Access) -> int:
    for position, present in enumerate(inputs):
        if present.value is access.value and present.view == access.view:
            return position
    inputs.append(access)
    return len(inputs) - 1


def _index_positions(body: Body, view: View) -> dict[int, int] | None:
    """Where each dimension a body asks the index of is found in the reader's space."""
    positions: dict[int, int] = {}
    for instruction in body.instructions:
        if instruction.index < 0:
            continue
        form = view.base[instruction.index]
        found = [
            dim
            for dim, factors in enumerate(view.dims)
            if form.offset == 0 and len(factors) == 1 and form.terms == ((factors[0], 1),)
        ]
        if not found:
            return None
        positions[instruction.index] = found[0]
    return positions
