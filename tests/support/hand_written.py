"""Small modules of programs from text, and what they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from program_models import context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.parser import Parser

from asic_compiler.program.allocate import allocate
from asic_compiler.program.elaborate import elaborate
from asic_compiler.program.parts import Parts
from asic_compiler.simulate import run_program

Array = NDArray[Any]
CACHES_BYTES = 1 << 12
"""Room before the buffers, for caches."""
REGION = "<offset = [0, 0], size = [2, 2]>"


def cut(b: int = 1, m: int = 1, n: int = 1, k: int = 1, more: str = "") -> str:
    return f"<b = {b}, m = {m}, n = {n}, k = {k}, at = [0, 0, 2, 2], first = 0{more}>"


def module_text(symbols: str, body: str) -> str:
    return f"""builtin.module {{
{symbols}
  tcc.program @p class = 0 stage = 0 period = 1 on [#asic.region{REGION}] {{
{body}
  }}
}}
"""


def parse(text: str, *, allocated: bool = True) -> ModuleOp:
    """A verified module; buffers get addresses unless the text has them."""
    module = Parser(context(), text).parse_module()
    module.verify()
    if allocated:
        elaboration = elaborate(module)
        for program in elaboration.programs:
            parts: dict[SSAValue, Parts] = program.parts
            allocate(program.op, parts, dict.fromkeys(program.tiles, CACHES_BYTES))
    return module


def given(name: str, kind: str) -> str:
    return f'tcc.channel @{name} to {REGION} host "{name}" : tensor<{kind}>'


def taken(kind: str, name: str = "y") -> str:
    return f'tcc.channel @{name} from {REGION} host "{name}" : tensor<{kind}>'


def receive(name: str, kind: str, op: int = 0) -> str:
    """``%name`` from the host."""
    return f"""%t.{name}, %{name} = tcc.receive @{name} bytes = 1 op = {op} : !tcc.buffer<{kind}>
    tcc.wait %t.{name} op = {op}"""


def send(value: str, kind: str, op: int = 0, name: str = "y") -> str:
    return f"""%t.{name} = tcc.send @{name}, %{value} bytes = 1 op = {op} : !tcc.buffer<{kind}>
    tcc.wait %t.{name} op = {op}"""


def run_text(
    symbols: str,
    body: str,
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    return run_program(parse(module_text(symbols, body)), inputs, weights or {})


def random(seed: int, *shape: int, dtype: type = np.float16) -> Array:
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(-50, 50, shape).astype(dtype)
    return rng.normal(0.0, 1.0, shape).astype(dtype)
