"""A ``linalg.generic`` of a random program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from random_programs.bodies import Body
from random_programs.writer import Tensor, Writer, affine

Mapped = tuple[Tensor, Sequence[str]]
"""A tensor and the results of its indexing map."""


def generic(
    writer: Writer,
    inputs: Sequence[Mapped],
    outputs: Sequence[Mapped],
    folded: Sequence[bool],
    fill: Callable[[Body, list[str], list[str]], list[str]],
) -> list[Tensor]:
    """A ``linalg.generic``; ``fill`` writes the body and gives what it yields."""
    rank = len(folded)
    mapped = [*inputs, *outputs]
    scalars = [(f"%s{i}", tensor.kind) for i, (tensor, _) in enumerate(mapped)]
    count = len(inputs)
    body = Body(writer.choices, scalars[:count], rank)
    names = [name for name, _ in scalars]
    yields = fill(body, names[:count], names[count:])
    maps = ", ".join(affine(rank, results) for _, results in mapped)
    loops = ["reduction" if fold else "parallel" for fold in folded]
    ins, outs = ([t for t, _ in group] for group in (inputs, outputs))
    result = writer.name()
    arguments = ", ".join(f"{name}: {kind}" for name, kind in scalars)
    region = (
        f"{{\n  ^bb0({arguments}):\n{body.text()}"
        f"    linalg.yield {', '.join(yields)} : {', '.join(t.kind for t in outs)}\n  }}"
    )
    if len(outs) == 1:
        kinds = ", ".join(f'"{loop}"' for loop in loops)
        writer.lines.append(
            f"  {result} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}} "
            f"ins({operands(ins)}) outs({operands(outs)}) {region} -> {outs[0].type}"
        )
    else:  # in generic form: xDSL reads the types of several results without parentheses
        kinds = ", ".join(f"#linalg.iterator_type<{loop}>" for loop in loops)
        names = ", ".join(t.name for t in (*ins, *outs))
        types, own = (", ".join(t.type for t in group) for group in ((*ins, *outs), outs))
        writer.lines.append(
            f'  {result}:{len(outs)} = "linalg.generic"({names}) <{{indexing_maps = [{maps}], '
            f"iterator_types = [{kinds}], "
            f"operandSegmentSizes = array<i32: {len(ins)}, {len(outs)}>}}> ({region}) "
            f": ({types}) -> ({own})"
        )
    made = [
        Tensor(f"{result}#{i}" if len(outs) > 1 else result, t.shape, t.kind)
        for i, t in enumerate(outs)
    ]
    writer.pool += made
    return made


def operands(tensors: Sequence[Tensor]) -> str:
    names = ", ".join(t.name for t in tensors)
    return f"{names} : {', '.join(t.type for t in tensors)}"


def numeric(kind: str) -> bool:
    return kind != "i1"
