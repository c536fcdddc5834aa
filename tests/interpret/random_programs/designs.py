"""A legal design on a given mesh, without a search: a second of search would be for nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.explore.problem import ChipProblem
from asic_compiler.hardware.design import Freedom
from asic_compiler.interpret.guard import Guard, named_weights
from asic_compiler.mapping.profile import Profile
from asic_compiler.plan.make import make_plan
from asic_compiler.plan.plan import Plan
from asic_compiler.ppa.conditions import Conditions
from asic_compiler.program.check import check
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program
from asic_compiler.simulate.tensors import inputs_of, weights_of
from asic_compiler.technology.library import load_node
from asic_compiler.technology.node import Technology
from asic_compiler.tensors.elements import Array
from asic_compiler.workload.extract import extract

TRIES = 64


@cache
def _node() -> Technology:
    return load_node("7nm")


def design(module: ModuleOp, mesh: tuple[int, int], seed: int) -> Plan | None:
    """The first legal one of random designs on a mesh; None where none is."""
    profile = Profile(extract(module))
    problem = ChipProblem(profile, _node(), Conditions(), Freedom(), (0.4, 0.4, 0.2))
    rng = np.random.default_rng(seed)
    discrete = np.tile([*mesh, 1, 1], (TRIES, 1))
    continuous = rng.uniform(-1.0, 1.0, (TRIES, len(problem.continuous_names)))
    batch = problem.decode(discrete, continuous)
    same = (batch.mesh_width == mesh[0]) & (batch.mesh_height == mesh[1])
    legal = np.flatnonzero(problem.model.evaluate(batch).legal & same)
    if not len(legal):
        return None
    chosen = problem.decode(discrete[legal[:1]], continuous[legal[:1]])
    return make_plan(problem.model, chosen, 85.0)


def outputs_on(module: ModuleOp, plan: Plan, guard: Guard) -> dict[str, Array]:
    """What the programs of a design give for a guard's arguments and weights."""
    program = generate(module, plan)
    program.verify()
    findings = check(program)
    assert not findings, findings[0]
    inputs, weights = guard.inputs, named_weights(program, guard.given, guard.seed)
    return run_program(
        program,
        {name: inputs[name] for name in inputs_of(program)},
        {name: weights[name] for name in weights_of(program)},
    )
