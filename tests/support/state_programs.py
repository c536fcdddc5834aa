"""Random functions around a state: it is read, overwritten in parts, passed on and returned.

Each statement is written as linalg text and done in NumPy at the same time. The tensors of a
function are states (4x8), among them two arguments, and products (3x4 and 3x8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hand_written import Array
from hypothesis import strategies as st

STATE, ROW, QUERY, BOX = (4, 8), (1, 8), (3, 8), (2, 3)
ARGUMENTS = {"c": STATE, "d": STATE, "x": ROW, "q": QUERY, "b": BOX}


def tensor(shape: Sequence[int]) -> str:
    """The type of a float tensor."""
    return f"tensor<{'x'.join(map(str, (*shape, 'f32')))}>"


def arguments() -> dict[str, Array]:
    """What the functions are called with."""
    rng = np.random.default_rng(7)
    return {name: rng.normal(0, 0.5, s).astype(np.float32) for name, s in ARGUMENTS.items()}


@dataclass
class Function:
    """A function while it is written, and the value of each of its tensors."""

    role: bool = False
    """Whether its state is marked as keys."""
    lines: list[str] = field(default_factory=list[str])
    values: dict[str, Array] = field(default_factory=arguments)
    returned: list[str] = field(default_factory=list[str])

    def add(self, line: str, value: Array) -> str:
        """A statement whose result is named here; ``$`` stands for the name."""
        name = f"v{len(self.lines)}"
        self.lines.append(line.replace("$", name))
        self.values[name] = value.astype(np.float32)
        return name

    def insert(self, source: str, into: str, at: tuple[int, int], step: tuple[int, int]) -> str:
        """A slice of a tensor overwritten."""
        new, old = self.values[source], self.values[into].copy()
        sizes = new.shape
        spots = tuple(
            slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(at, sizes, step, strict=True)
        )
        old[spots] = new
        box = f"[{at[0]}, {at[1]}] [{sizes[0]}, {sizes[1]}] [{step[0]}, {step[1]}]"
        types = f"{tensor(sizes)} into {tensor(old.shape)}"
        return self.add(f"%$ = tensor.insert_slice %{source} into %{into}{box} : {types}", old)

    def rows(self, source: str, first: int, count: int) -> str:
        """Rows of a state."""
        found = self.values[source][first : first + count]
        types = f"{tensor(STATE)} to {tensor(found.shape)}"
        text = f"%$ = tensor.extract_slice %{source}[{first}, 0] [{count}, 8] [1, 1] : {types}"
        return self.add(text, found)

    def transposed(self, source: str) -> str:
        """A state, turned."""
        old = self.values[source]
        turned = tensor(old.T.shape)
        return self.add(
            f"%$e = tensor.empty() : {turned}\n%$ = linalg.transpose ins(%{source} : "
            f"{tensor(old.shape)}) outs(%$e : {turned}) permutation = [1, 0]",
            old.T,
        )

    def product(self, left: str, right: str) -> str:
        """A matrix product."""
        a, b = self.values[left], self.values[right]
        out = tensor((a.shape[0], b.shape[1]))
        return self.add(
            f"%$z = arith.constant 0.0 : f32\n%$e = tensor.empty() : {out}\n"
            f"%$f = linalg.fill ins(%$z : f32) outs(%$e : {out}) -> {out}\n"
            f"%$ = linalg.matmul ins(%{left}, %{right} : {tensor(a.shape)}, {tensor(b.shape)}) "
            f"outs(%$f : {out}) -> {out}",
            a @ b,
        )

    def sum(self, left: str, right: str) -> str:
        """Two tensors of one shape added."""
        a, b = self.values[left], self.values[right]
        t = tensor(a.shape)
        return self.add(
            f"%$e = tensor.empty() : {t}\n%$ = linalg.add ins(%{left}, %{right} : {t}, {t}) "
            f"outs(%$e : {t}) -> {t}",
            a + b,
        )

    def constant(self, numbers: Array) -> str:
        """A constant."""
        return self.add(
            f"%$ = arith.constant dense<{numbers.tolist()}> : {tensor(numbers.shape)}", numbers
        )

    def text(self) -> str:
        """The module."""
        mark = ' {asic.role = "kv_key", asic.layer = 0 : i64}' if self.role else ""
        given = ", ".join(
            f"%{n}: {tensor(s)}{mark if n == 'c' else ''}" for n, s in ARGUMENTS.items()
        )
        types = ", ".join(tensor(self.values[name].shape) for name in self.returned)
        names = ", ".join(f"%{name}" for name in self.returned)
        body = "\n".join(self.lines)
        return f"func.func @main({given}) -> ({types}) {{\n{body}\nreturn {names} : {types}\n}}"


@st.composite
def functions(draw: st.DrawFn) -> Function:
    """A function of up to eight statements that returns up to five of its tensors."""
    made = Function(role=draw(st.booleans()))
    states, rows, sums = ["c", "d"], ["x"], ["q"]
    # Mostly the first argument and what was made last: that is where reads and writes meet.
    recent = st.sampled_from([0, -1, -1, 1, -2])

    def pick(names: list[str]) -> str:
        return names[draw(recent) % len(names)]

    step = draw(st.booleans())  # begins as a decode step does: a row written, products with all
    if step:
        states.append(made.insert("x", "c", (draw(st.integers(0, 3)), 0), (1, 1)))
        sums.append(made.product("q", made.transposed(states[-1])))
        if draw(st.booleans()):
            sums.append(made.product(sums[-1], states[-1]))
        states.remove("c")
    for kind in draw(
        st.lists(st.sampled_from("iiisbrppasmk"), min_size=0 if step else 1, max_size=6)
    ):
        state = pick(states)
        if kind == "i":
            states.append(made.insert(pick(rows), state, (draw(st.integers(0, 3)), 0), (1, 1)))
        elif kind == "s":  # moved up or down: into itself or into another
            first = draw(st.integers(0, 1))
            part = made.rows(pick(states), first, 3)
            states.append(made.insert(part, state, (1 - first, 0), (1, 1)))
        elif kind == "b":
            step = draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
            states.append(made.insert("b", state, (draw(st.integers(0, 1)), 1), step))
        elif kind == "r":
            rows.append(made.rows(state, draw(st.integers(0, 3)), 1))
        elif kind == "p":
            sums.append(
                made.product(
                    pick([n for n in sums if made.values[n].shape == QUERY]), made.transposed(state)
                )
            )
        elif kind == "m":
            narrow = [n for n in sums if made.values[n].shape == (3, 4)]
            if narrow:
                sums.append(made.product(pick(narrow), state))
        elif kind == "a":
            states.append(made.sum(state, pick(states)))
        else:
            made.constant(np.arange(32.0).reshape(STATE) / 16 - 1)  # to be returned
    names = [name for name in made.values if not (step and name == "c")]
    made.returned = draw(st.lists(st.sampled_from([*names, *names[-4:], *sums]), max_size=4))
    if step and draw(st.booleans()):
        made.returned = [states[1], *(name for name in made.returned if name != states[1])]
    made.returned = made.returned or [sums[-1]]
    return made
