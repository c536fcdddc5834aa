"""One random program through the compiler, every step held to what the text means."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.interpret.draw import draw_arguments
from asic_compiler.interpret.elements import Array, rounded, wrapped
from asic_compiler.interpret.guard import guard
from asic_compiler.interpret.machine import function_of, tensor_type
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from random_programs.bodies import is_float
from random_programs.designs import design, outputs_on
from random_programs.writer import Program

MESHES = ((1, 1), (2, 3))
_SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5)


@dataclass
class Tally:
    """What became of programs."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def refused(self, step: str, error: UserError) -> None:
        self.counts[f"{step} refused"] += 1
        self.reasons[(error.notes or [str(error)])[0].rpartition(": ")[2][:80]] += 1

    def share_refused(self, step: str) -> float:
        refused, right = self.counts[f"{step} refused"], self.counts[f"{step} right"]
        return refused / max(1, refused + right)


def arguments_of(module: ModuleOp, program: Program, seed: int) -> list[Array]:
    """Random numbers, special ones among them; selecting integers inside what they select from."""
    rng = np.random.default_rng(seed)
    found = draw_arguments(module, seed)
    for i, argument in enumerate(function_of(module).body.block.args):
        element = tensor_type(argument).element_type
        if i in program.below:
            found[i] = rng.integers(0, program.below[i], found[i].shape)
        elif is_float(str(element)):
            special = rng.choice(_SPECIAL, found[i].shape)
            found[i] = rounded(
                np.where(rng.random(found[i].shape) < 0.1, special, found[i]), element
            )
        elif str(element) != "i1":
            wild = rng.integers(-(1 << 62), 1 << 62, found[i].shape)
            bits = int(str(element)[1:])
            rare = rng.random(found[i].shape) < 0.1
            found[i] = np.where(rare, wrapped(wild, bits), found[i])
    return found


def follow(program: Program, seed: int, tally: Tally, *, designed: bool) -> None:
    """Parses, raises, and on two meshes designs and executes; compares after each step.

    Raises:
        NumericsError: A step changed what the program computes.
    """
    module = parse_module(program.text, "program.mlir")
    held = guard(module, seed, arguments=arguments_of(module, program, seed))
    try:
        ConvertLinalgToAsic().apply(Context(), module)
    except UserError as error:
        tally.refused("conversion", error)
        return
    module.verify()
    held.compare(module, "convert-linalg-to-asic")
    tally.counts["conversion right"] += 1
    for mesh in MESHES if designed else ():
        try:
            plan = design(module, mesh, seed)
            if plan is None:
                tally.counts["no legal design"] += 1
                continue
            outputs = outputs_on(module, plan, held)
        except UserError as error:
            tally.refused("program", error)
            continue
        held.compare_outputs(outputs, f"the program on {mesh[0]} x {mesh[1]} tiles")
        tally.counts["program right"] += 1
