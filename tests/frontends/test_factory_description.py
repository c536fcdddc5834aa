"""A factory tells the phase of its program, its context, and the roles of its tensors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from contexts import converted

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, TensorRequest, import_model
from asic_compiler.tensors.files import TensorFile
from asic_compiler.workload.extract import extract

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

MODELS = """
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(32, 16)
        self.qkv = nn.Linear(16, 48)
        self.out = nn.Linear(16, 32)

    def forward(self, ids, mask, keys, values):
        q, k, v = self.qkv(self.embed(ids)).view(ids.shape[0], 1, 3, 2, 8).transpose(1, 3).unbind(2)
        last = keys.shape[2] - 1
        keys = torch.slice_scatter(keys, k, dim=2, start=last, end=last + 1)
        values = torch.slice_scatter(values, v, dim=2, start=last, end=last + 1)
        scores = torch.softmax(q @ keys.transpose(-1, -2) / 8**0.5 + mask, -1)
        mixed = (scores @ values).transpose(1, 2).reshape(ids.shape[0], 1, 16)
        return self.out(mixed), keys, values


def inputs(batch=1, context=64):
    cache = torch.zeros(batch, 2, context, 8)
    return torch.zeros(batch, 1, dtype=torch.int64), torch.zeros(batch, 1, 1, context), cache, cache


def of(description, **sizes):
    return Attention(), inputs(**sizes), description


TOLD = {
    "phase": "decode",
    "context": 64,
    "arguments": ["token_ids", "mask", ("kv_key", 0), ("kv_value", 0)],
    "results": ["logits", ("kv_key", 0), ("kv_value", 0)],
}


def listed():
    return of(TOLD)


def named():
    return of({
        **TOLD,
        "arguments": {"ids": "token_ids", "keys": ["kv_key", 0], "values": ["kv_value", 0]},
        "results": {"next": "logits", "keys": ["kv_key", 0], "values": ["kv_value", 0]},
    })


def sized(context, batch=1):
    return of({**TOLD, "context": context}, batch=batch, context=context)


def on_the_module():
    module = Attention()
    module.asic_program = TOLD
    return module


def changed():
    return of({**TOLD, **CHANGE})


CHANGE = {}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "told_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "told_models", raising=False)
    yield tmp_path
    sys.modules.pop("told_models", None)


@pytest.mark.parametrize("factory", ["listed", "named", "on_the_module:inputs"])
def test_roles_reach_the_program(own: Path, factory: str):
    model = import_model(ImportSpec(f"told_models:{factory}"))
    assert (model.workload.phase, model.workload.context) == ("decode", 64)
    assert [(a.name, a.role, a.layer) for a in model.arguments] == [
        ("ids", "token_ids", None),
        ("mask", "activation" if factory == "named" else "mask", None),
        ("keys", "kv_key", 0),
        ("values", "kv_value", 0),
    ]
    first = "next" if factory == "named" else "output_0"
    assert (model.results[0].name, model.results[0].role) == (first, "logits")
    table = extract(converted(model.text))
    assert (table.phase, table.context, table.tokens_per_step) == ("decode", 64, 1)
    assert table.total("kv_bytes") == 2 * 2 * 64 * 8 * 4


def test_options_reach_the_parameters_of_a_factory(own: Path):
    model = import_model(ImportSpec("told_models:sized", batch=3, context=16))
    assert (model.workload.batch, model.workload.context) == (3, 16)
    assert model.argument_types[2] == "tensor<3x2x16x8xf32>"
    # A parameter without a default of its own has the usual one.
    assert import_model(ImportSpec("told_models:sized")).workload.context == 2048


def test_a_mask_is_not_drawn(own: Path):
    made = import_model(ImportSpec("told_models:listed"), tensors=TensorRequest(own / "run"))
    inputs = TensorFile(made.tensor_files[1])
    assert not inputs["mask"].any()
    assert inputs["keys"].any()


CACHES: Any = [("kv_key", 0), ("kv_value", 0)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phases": 1}, "has a key 'phases'; known are phase, context, arguments, results"),
        ({"phase": "train"}, "has the phase 'train'; known are decode, prefill, inference"),
        ({"context": 0}, "has the context 0; 'decode' has a context of at least one token"),
        ({"context": True}, "has the context True"),
        ({"phase": "inference"}, "has the context 64; 'inference' has no context, or 0"),
        ({"context": 32}, "has the context 32, and no cache has as many slots"),
        ({"arguments": 3}, "has arguments that are a int"),
        ({"arguments": ["token_ids"]}, "has 1 roles for 4 arguments: ids, mask, keys, values"),
        ({"arguments": {"tokens": "token_ids"}}, "has no argument 'tokens'; there are ids, mask"),
        ({"arguments": ["tokens", "mask", *CACHES]}, "has the role 'tokens' among its arguments"),
        ({"arguments": ["token_ids", "mask", "kv_key", "mask"]}, "'kv_key' is of a layer"),
        ({"arguments": [("mask", 0), "mask", *CACHES]}, "'mask' has no layer"),
        ({"arguments": ["token_ids", "token_ids", *CACHES]}, "calls 'mask' token_ids, which is"),
        ({"arguments": ["token_ids", "mask", CACHES[0], CACHES[0]]}, "has two arguments that"),
        ({"results": ["logits", "activation", CACHES[1]]}, "kv_key of layer 0, a tensor<1x2x64x8"),
        ({"results": [CACHES[0], "logits", CACHES[1]]}, "the result is a tensor<1x1x32xf32>"),
    ],
)
def test_what_does_not_fit_is_refused(own: Path, change: dict[str, Any], message: str):
    import told_models  # pyright: ignore[reportMissingImports]

    told_models.CHANGE = change
    with pytest.raises(UserError) as caught:
        import_model(ImportSpec("told_models:changed"))
    assert message in caught.value.message
    assert caught.value.message.startswith("the description of 'told_models:changed' ")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("listed", {"context": 16}, "--context has no meaning for a factory without a parameter"),
        ("sized", {"phase": "prefill"}, "--phase has no meaning for a factory without"),
        ("sized", {"part": "text"}, "--part has no meaning for a factory"),
    ],
)
def test_options_that_nobody_takes(own: Path, model: str, options: Any, message: str):
    with pytest.raises(UserError, match=message):
        import_model(ImportSpec(f"told_models:{model}", **options))
