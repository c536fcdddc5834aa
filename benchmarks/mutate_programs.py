"""Breaks programs in many ways and counts what notices: the check, the execution, or the result.

    python benchmarks/mutate_programs.py [--count 60]

Every mutant of a Llama and of a CNN (see tests/support/mutations.py) is checked and
executed on real inputs. It is caught when the verifier or `program.check` reports it, when the
execution stops with an error, or when an output differs from the unbroken program's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from functional_cases import CASES, MODELS, plans
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.program.check import check
from asic_compiler.program.generate import generate
from asic_compiler.simulate import run_program
from asic_compiler.simulate.tensors import inputs_of, load, select, weights_of
from asic_compiler.tensors.elements import Array
from asic_compiler.tools.asic_import import main as import_main

sys.path.insert(0, str(MODELS.parents[1] / "support"))
from mutations import mutants

CHOSEN = (("Llama decode, batch 3", (4, 4)), ("CNN", (2, 3)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="mutants of each program")
    count = parser.parse_args().count
    sys.path.insert(0, str(MODELS))
    caught: dict[str, Counter[str]] = {}
    survivors: list[str] = []
    for name, mesh in CHOSEN:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            text = path / "model.mlir"
            if import_main([*CASES[name], "-o", str(text), "--with-weights", str(path)]):
                raise SystemExit(1)
            module = parse_module(text.read_text(), text.name)
            ConvertLinalgToAsic().apply(Context(), module)
            inputs, weights = (load(path / f"{n}.safetensors") for n in ("inputs", "weights"))
            for number, (_, plan) in enumerate(plans(module, mesh, 2)):
                program = generate(module, plan)
                given = select(inputs, inputs_of(program), "inputs")
                constants = select(weights, weights_of(program), "weights")
                right = run_program(program, given, constants)
                for kind, what, mutant in mutants(program, count, number):
                    how = noticed(mutant, given, constants, right)
                    caught.setdefault(kind, Counter())[how] += 1
                    if how == "not":
                        survivors.append(f"{name}, design {number}: {kind}: {what[:160]}")
    columns = ("verifier", "check", "execution", "result", "not")
    print(f"{'mutation':24}" + "".join(f"{c:>12}" for c in columns))
    for kind, counts in caught.items():
        print(f"{kind:24}" + "".join(f"{counts[c]:12}" for c in columns))
    total = sum(sum(c.values()) for c in caught.values())
    print(f"\n{total} mutants, {len(survivors)} not noticed")
    for line in survivors:
        print(" ", line)


def noticed(
    mutant: ModuleOp,
    inputs: dict[str, Array],
    weights: dict[str, Array],
    right: dict[str, Array],
) -> str:
    """Who notices that a program is broken."""
    try:
        mutant.verify()
    except VerifyException:
        return "verifier"
    try:
        if check(mutant):
            return "check"
    except (UserError, ValueError, KeyError, IndexError):
        return "check"
    try:
        outputs = run_program(mutant, inputs, weights)
    except (UserError, ValueError, KeyError, IndexError, AssertionError):
        return "execution"
    same = outputs.keys() == right.keys() and all(
        np.array_equal(outputs[n], right[n], equal_nan=True) for n in right
    )
    return "not" if same else "result"


if __name__ == "__main__":
    main()
