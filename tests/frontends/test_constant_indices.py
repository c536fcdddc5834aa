"""Selections by Python lists are slices where they can be, and the same numbers always."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from asic_compiler.frontends import ImportSpec, import_model
from asic_compiler.frontends.pytorch.lowering import decompose, export
from asic_compiler.frontends.pytorch.prepared import Prepared
from asic_compiler.frontends.spec import Workload

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class Select(torch.nn.Module):
    def __init__(self, indices: list[int]) -> None:
        super().__init__()
        self.indices = indices

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, self.indices] + x[..., [-1], :]


@pytest.mark.parametrize(
    ("indices", "is_slice"),
    [([-2], True), ([1, 3, 5], True), ([0, 1, 2], True), ([5, 3], False), ([1, 1], True)],
)
def test_a_row_of_indices_is_a_slice(indices: list[int], is_slice: bool):
    x = torch.arange(2 * 3 * 6 * 4.0).reshape(2, 3, 6, 4)
    prepared = Prepared(Select(indices), (x,), Workload("select", "inference", 2, 0))
    program = decompose(export(prepared, None))
    targets = [str(node.target) for node in program.graph.nodes]
    assert ("aten.index.Tensor" not in targets) == is_slice
    torch.testing.assert_close(program.module()(x), Select(indices)(x))


def test_falcon_takes_its_keys_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A gather of one known index, in the middle of four dimensions, had no form on the chip.
    (tmp_path / "heads.py").write_text(
        dedent("""
        import torch

        class Heads(torch.nn.Module):
            def forward(self, x):
                return x[..., :-2, :] @ x[..., [-2], :].transpose(-1, -2)

        def heads():
            return Heads(), (torch.zeros(1, 2, 6, 4),)
        """)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    text = import_model(ImportSpec("heads:heads")).text
    assert "tensor.extract_slice" in text
    assert '"tensor.extract"' not in text
