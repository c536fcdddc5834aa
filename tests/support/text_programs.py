"""Modules as text, taken through conversion, a random design and its program's text, and run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asic_compiler.explore.problem import ChipProblem, Conditions
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.hardware.design import Freedom
from asic_compiler.mapping.profile import Profile
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.plan.make import make_plan
from asic_compiler.program.emit import program_text
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program
from asic_compiler.technology.library import load_node
from asic_compiler.workload.extract import extract

Array = NDArray[Any]


def run_text(text: str, inputs: Sequence[Array], mesh: tuple[int, int] = (3, 2)) -> list[Array]:
    """What the program of a model computes on a mesh; it is printed and read on the way."""
    module = parse_module(text, "model.mlir")
    ConvertLinalgToAsic().apply(make_context(), module)
    profile, goal = Profile(extract(module)), (0.4, 0.4, 0.2)
    chips = ChipProblem(profile, load_node("7nm"), Conditions(), Freedom(), goal)
    width = len(chips.continuous_names)
    design = chips.decode(np.array([[*mesh, 1, 1]]), np.zeros((1, width)))
    program = generate(module, make_plan(chips.model, design, 85.0))
    again = parse_module(program_text(program), "program.mlir")
    found = run_program(again, {f"arg{i}": array for i, array in enumerate(inputs)}, {})
    return [found[f"result{i}"] for i in range(len(found))]


def function(arguments: Sequence[str], result: str, body: str) -> str:
    """A function ``%a0, %a1, ...`` of arguments of the given types; ``%r`` is returned."""
    names = ", ".join(f"%a{i}: {type_}" for i, type_ in enumerate(arguments))
    return f"func.func @main({names}) -> {result} {{\n{body}\n  return %r : {result}\n}}\n"
