"""What asic-opt cannot raise is refused while importing, all of it, at the model's lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, TensorRequest, import_model
from asic_compiler.tools import asic_import
from asic_compiler.tools.numerics import verify_import
from asic_compiler.tools.readable import refuse_unreadable

MODELS = """\
import torch
from torch import nn


class Sorts(nn.Module):
    def forward(self, x):
        first = x.sort(-1)[0]
        return first + torch.topk(x, 4)[0]


class Filters(nn.Module):
    def forward(self, x):
        return nn.functional.conv1d(x, x * 2)


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        norm = nn.utils.parametrizations.weight_norm
        self.first, self.second = norm(nn.Conv1d(3, 4, 3), dim=2), norm(nn.Linear(4, 5))

    def forward(self, x):
        return self.second(self.first(x).mT)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.norm = nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 4, 4, 2, 1)
        self.table = nn.EmbeddingBag(9, 4)

    def forward(self, x, ids):
        x = self.up(self.norm(self.enter(x))).roll(1, 2)
        x = nn.functional.interpolate(x, size=(5, 7), mode="bilinear")
        last = x[torch.arange(2), :, ids.argmax(-1), ids.cumsum(-1)[:, 1] % 7]
        return last + self.table(ids), x[:, :, [0, 2], [1, 6]]


def sorts():
    return Sorts(), torch.ones(2, 4)


def filters():
    return Filters(), torch.ones(3, 3, 5)


def normed():
    return Normed(), torch.ones(1, 3, 6)


def layers():
    return Layers(), (torch.ones(2, 3, 2, 3), torch.tensor([[1, 5, 3], [8, 2, 4]]))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_layers.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_everything_that_cannot_be_raised_is_told_at_once(here: Path):
    model = import_model(ImportSpec("own_layers:sorts"))
    with pytest.raises(UserError, match="the model cannot be compiled: 2 operations") as caught:
        refuse_unreadable(model)
    assert caught.value.location.line == 7
    assert [note.split(":")[1] for note in caught.value.notes[:-1]] == ["7", "8"]


def test_nothing_is_written_then(here: Path, capsys: pytest.CaptureFixture[str]):
    assert asic_import.main(["own_layers:sorts", "-o", "out.mlir"]) == 1
    assert not (here / "out.mlir").exists()
    assert "tm_tensor.sort at" in capsys.readouterr().err


def test_filters_must_lie_in_weight_memory(here: Path):
    with pytest.raises(UserError, match="filters computed at run time") as caught:
        refuse_unreadable(import_model(ImportSpec("own_layers:filters")))
    assert caught.value.location.line == 13


def test_normed_weights_are_computed_once(here: Path):
    # Of weight norm the filters were computed at every execution, which no tile can hold.
    model = import_model(ImportSpec("own_layers:normed"), tensors=TensorRequest(here / "run"))
    refuse_unreadable(model)
    assert set(model.parameters) == {
        f"{n}.{p}" for n in ("first", "second") for p in ("weight", "bias")
    }
    assert verify_import(model.text, "normed", here / "run") == []


def test_layers_of_vision_compute_what_pytorch_computes(here: Path, capsys):
    """The independent evaluation of the import beside PyTorch, through every new decomposition."""
    arguments = ["own_layers:layers", "--verify-numerics", "-o", "out.mlir"]
    assert asic_import.main(arguments) == 0, capsys.readouterr().err
