"""Weights, inputs and PyTorch's results beside the IR."""

from __future__ import annotations

import copy
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from tiny_models import TINY_LLAMA, TINY_SMOLVLM

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportedModel, ImportSpec, TensorRequest, import_model
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.tensors.files import TensorFile

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
BATCH, CONTEXT = 3, 16
FILES = ("weights", "inputs", "reference")
ONE_LAYER = {**TINY_LLAMA, "num_hidden_layers": 1}

FACTORIES = '''\
import torch
from torch import nn


def sequential():
    """Names that MLIR would have to quote."""
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)), (torch.zeros(3, 6),)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("up-1", nn.Linear(4, 4))
        self.add_module("up_1", nn.Linear(4, 4))

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return x


def odd_names():
    return Odd(), (torch.zeros(1, 4),)


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.norm.running_mean = torch.randn(4)

    def forward(self, x, rows):
        return self.norm(x)[rows], rows + 1


own = Normed().half()


def normed():
    """A random buffer, an input that counts, and one with values of its own."""
    return Normed().half(), (torch.ones(3, 4).half() * torch.arange(4), torch.tensor([2, 0]))


def own_inputs():
    return torch.zeros(3, 4).half(), torch.tensor([0])


def large():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).half()
    for part in module:
        part.weight.data.fill_(20000.0)
    return module, (torch.tensor([[1.0, 3.0]]).half(),)


def too_large():
    module = nn.Linear(2, 2).float()
    module.weight.data.fill_(70000.0)
    return module, (torch.zeros(1, 2),)


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2).half()

    def forward(self, x):
        return self.linear(x.half())


def halves():
    return Halves(), (torch.zeros(1, 2),)
'''


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "weighted_factories.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delitem(sys.modules, "weighted_factories", raising=False)
    return tmp_path


def imported(model: str, folder: Path, **options: Any) -> tuple[ImportedModel, list[TensorFile]]:
    request = TensorRequest(folder, options.pop("seed", 0), options.pop("force", False))
    made = import_model(ImportSpec(model, **options), tensors=request)
    assert made.tensor_files == tuple(folder / f"{file}.safetensors" for file in FILES)
    return made, [TensorFile(path) for path in made.tensor_files]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory):
    """A decode step of two layers, three sequences."""
    folder = tmp_path_factory.mktemp("llama")
    config = folder / "config.json"
    config.write_text(json.dumps(TINY_LLAMA))
    return imported(str(config), folder / "made", batch=BATCH, context=CONTEXT)


def resources(text: str) -> dict[str, str]:
    found = re.findall(r'dense_resource<"?([^">]+)"?> : tensor<([^>]+)>', text)
    return dict(found)


def test_every_resource_is_in_the_weights_under_its_name_and_type(llama):
    made, (weights, _, _) = llama
    assert {name: str(entry) for name, entry in weights.entries.items()} == resources(made.text)
    assert set(made.parameters) < set(weights)
    # The inverse RoPE frequencies have data in the text as well.
    assert any("inv_freq" in name for name in weights)
    assert weights.entries["model.layers.1.mlp.up_proj.weight"].element_type == "f16"


def test_the_safetensors_library_reads_the_files(llama):
    made, files = llama
    for path, file in zip(made.tensor_files, files, strict=True):
        with safe_open(path, framework="numpy") as theirs:
            assert sorted(theirs.keys()) == sorted(file)
            assert theirs.metadata() == file.metadata
            for name in file:
                np.testing.assert_array_equal(theirs.get_tensor(name), file[name])


def test_inputs_are_the_arguments(llama):
    made, (_, inputs, _) = llama
    assert list(inputs) == [argument.name for argument in made.arguments]
    assert [f"tensor<{e}>" for e in inputs.entries.values()] == list(made.argument_types)
    ids = inputs["input_ids"]
    assert np.all((ids >= 0) & (ids < 96))
    assert len(np.unique(ids)) > 1
    # Sequences of 16, 14 and 12 slots: the first ones are hidden.
    np.testing.assert_array_equal(inputs["position_ids"], [[15], [13], [11]])
    mask = inputs["attention_mask"]
    assert np.array_equal(np.sum(mask == 0, axis=-1).reshape(-1), [16, 14, 12])
    assert np.all(mask[2, 0, 0, :4] == np.float16(-32752))
    for layer in range(2):
        for kind in ("key", "value"):
            cache = inputs[f"past.{layer}.{kind}"].astype(np.float64)
            # Every slot has content, the one that is overwritten too.
            assert np.all(np.std(cache, axis=-1) > 0.3)
            assert 0.9 < np.std(cache) < 1.1


def test_results_are_f32_under_their_names(llama):
    made, (_, _, reference) = llama
    assert list(reference) == [result.name for result in made.results]
    assert {entry.element_type for entry in reference.entries.values()} == {"f32"}
    shapes = [type_.removeprefix("tensor<").rpartition("x")[0] for type_ in made.result_types]
    assert ["x".join(map(str, e.shape)) for e in reference.entries.values()] == shapes


def test_logits_are_not_degenerate(llama):
    _, (_, _, reference) = llama
    logits = reference["logits"]
    assert 0.3 < np.std(logits) < 3
    assert len(np.unique(np.argmax(logits, axis=-1))) == BATCH
    key, past = reference["present.1.key"], llama[1][1]["past.1.key"]
    assert np.all(key[:, :, :-1] == past[:, :, :-1])
    assert np.all(np.abs(key[:, :, -1] - past[:, :, -1]).max(axis=-1) > 0.1)


def test_the_reference_is_what_transformers_computes_in_f32(llama, write_config):
    from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

    _, (weights, inputs, reference) = llama
    config = AutoConfig.for_model(**copy.deepcopy(TINY_LLAMA))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    named = {name: torch.from_numpy(np.array(weights[name])).float() for name in weights}
    missing, _ = model.load_state_dict(named, strict=False)
    assert not missing
    # Sequence 0 sees all slots: a cache of the first 15 is the same.
    cache = DynamicCache()
    for layer in range(2):
        key, value = (
            torch.from_numpy(np.array(inputs[f"past.{layer}.{kind}"][:1, :, :-1])).float()
            for kind in ("key", "value")
        )
        cache.update(key, value, layer)
    ids = torch.from_numpy(np.array(inputs["input_ids"][:1]))
    with torch.no_grad():
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True).logits
    np.testing.assert_allclose(reference["logits"][:1], logits.numpy(), rtol=0, atol=1e-5)


def test_the_three_files_belong_together(llama, tmp_path: Path):
    made, (weights, inputs, reference) = llama
    facts = {"model": made.workload.name, "phase": "decode", "batch": "3", "context": "16"}
    for file in (weights, inputs, reference):
        assert facts.items() <= file.metadata.items()
        assert file.metadata["seed"] == "0"
        assert file.metadata["structure"] == weights.metadata["structure"]
    assert inputs.metadata["weights"] == weights.metadata["contents"]
    assert reference.metadata["weights"] == weights.metadata["contents"]
    assert reference.metadata["inputs"] == inputs.metadata["contents"]


def test_a_seed_gives_the_same_bytes_and_another_others(write_config, tmp_path: Path):
    config = write_config(ONE_LAYER)
    options = {"batch": 1, "context": 8}
    first, _ = imported(config, tmp_path / "a", seed=5, **options)
    again, _ = imported(config, tmp_path / "b", seed=5, **options)
    other, _ = imported(config, tmp_path / "c", seed=6, **options)
    for one, two, three in zip(
        first.tensor_files, again.tensor_files, other.tensor_files, strict=True
    ):
        assert one.read_bytes() == two.read_bytes()
        # The data, not the seed in the header.
        assert TensorFile(one).metadata["contents"] != TensorFile(three).metadata["contents"]
    assert first.text == again.text == other.text


def test_weights_of_one_shape_differ(llama):
    _, (weights, inputs, _) = llama
    layers = [weights[f"model.layers.{i}.self_attn.q_proj.weight"] for i in range(2)]
    assert abs(np.corrcoef(layers[0].reshape(-1), layers[1].reshape(-1))[0, 1]) < 0.1
    assert np.any(inputs["past.0.key"] != inputs["past.0.value"])


def test_text_is_the_same_with_and_without(write_config, tmp_path: Path):
    config = write_config(ONE_LAYER)
    made, _ = imported(config, tmp_path / "made", context=8)
    assert made.text == import_model(ImportSpec(config, context=8)).text


def test_prefill_is_causal(write_config, tmp_path: Path):
    made, (_, inputs, reference) = imported(
        write_config(ONE_LAYER), tmp_path / "made", phase="prefill", batch=2, context=8
    )
    np.testing.assert_array_equal(inputs["position_ids"], np.tile(np.arange(8), (2, 1)))
    causal = np.broadcast_to(np.tri(8), (2, 1, 8, 8))
    np.testing.assert_array_equal(inputs["attention_mask"] == 0, causal == 1)
    assert reference["logits"].shape == (2, 1, 96)
    assert made.workload.phase == "prefill"


def test_a_tied_weight_is_once_in_the_file(write_config, tmp_path: Path):
    config = write_config({**ONE_LAYER, "tie_word_embeddings": True})
    _, (weights, _, reference) = imported(config, tmp_path / "made", context=8)
    assert [name for name in weights if "embed" in name or "head" in name] == [
        "model.embed_tokens.weight"
    ]
    # Of variance 1 / hidden, or logits would be of the size of sqrt(hidden).
    assert 0.3 < np.std(reference["logits"]) < 3


def test_a_vision_tower(write_config, tmp_path: Path):
    _, (weights, inputs, reference) = imported(
        write_config(TINY_SMOLVLM), tmp_path / "made", part="vision", dtype="bf16"
    )
    assert weights.entries["model.connector.modality_projection.proj.weight"].element_type == "bf16"
    assert inputs.entries["pixel_values"].element_type == "bf16"
    assert reference.entries["image_features"].element_type == "f32"
    assert weights.entries["position_ids"].element_type == "i64"
    # bf16 holds 8 bits.
    pixels = inputs["pixel_values"].view(np.uint32)
    assert not np.any(pixels & 0xFFFF)
    assert 0.3 < np.std(reference["image_features"]) < 3


def checkpoint(write_config, name: str = "checkpoint", scale: float = 1.0) -> tuple[Path, dict]:
    """A folder in f32, in two files; the model is imported in f16."""
    config = Path(write_config({**ONE_LAYER, "torch_dtype": "float16"}, name))
    names = import_model(ImportSpec(str(config), context=8)).parameters
    rng = np.random.default_rng(0)
    values = {
        key: (scale * rng.normal(0, 0.1, info.shape)).astype(np.float32)
        for key, info in names.items()
    }
    half = len(values) // 2
    for number, part in enumerate((list(values)[:half], list(values)[half:])):
        save_file({key: values[key] for key in part}, config.parent / f"m-{number}.safetensors")
    return config.parent, values


def test_a_checkpoint_gives_its_own_weights(write_config, tmp_path: Path):
    folder, values = checkpoint(write_config)
    _, (weights, _, _) = imported(str(folder), tmp_path / "made", context=8)
    for name, value in values.items():
        np.testing.assert_array_equal(weights[name], value.astype(np.float16))


def test_a_weight_beyond_f16_is_an_error_and_nothing_is_written(write_config, tmp_path: Path):
    folder, _ = checkpoint(write_config, scale=1e6)
    with pytest.raises(UserError, match=r"weight '\S+' does not fit float16") as caught:
        imported(str(folder), tmp_path / "made", context=8)
    assert "--dtype bf16" in caught.value.notes[0]
    assert list((tmp_path / "made").iterdir()) == []
    imported(str(folder), tmp_path / "made", context=8, dtype="bf16")


class TestFactories:
    def test_names_that_mlir_would_quote_are_spelled_as_identifiers(self, factories: Path):
        """xDSL 0.74 refuses dense_resource<"0.weight">: no nn.Sequential came through asic-opt."""
        made, (weights, _, _) = imported("weighted_factories:sequential", factories / "made")
        parse_module(made.text, "sequential.mlir")
        assert sorted(weights) == ["_0.bias", "_0.weight", "_2.bias", "_2.weight"]
        assert set(made.parameters) == set(weights)

    def test_spelled_names_stay_apart(self, factories: Path):
        _, (weights, inputs, reference) = imported("weighted_factories:odd_names", factories / "m")
        assert sorted(weights) == ["up_1.bias", "up_1.bias_", "up_1.weight", "up_1.weight_"]
        x = inputs["x"]
        for suffix in ("_", ""):
            x = x @ weights[f"up_1.weight{suffix}"].T + weights[f"up_1.bias{suffix}"]
        np.testing.assert_allclose(reference["output_0"], x, rtol=0, atol=1e-5)

    def test_buffers_and_example_inputs(self, factories: Path):
        made, (weights, inputs, reference) = imported("weighted_factories:normed", factories / "m")
        assert set(resources(made.text)) == set(weights)
        # The factory's own values: a ramp is kept, and so are indices.
        np.testing.assert_array_equal(inputs["x"], np.tile(np.arange(4), (3, 1)))
        np.testing.assert_array_equal(inputs["rows"], [2, 0])
        mean, variance = weights["norm.running_mean"], weights["norm.running_var"]
        x = (inputs["x"].astype(np.float64) - mean) / np.sqrt(variance.astype(np.float64) + 1e-5)
        np.testing.assert_allclose(reference["output_0"], x[[2, 0]], rtol=0, atol=1e-5)
        np.testing.assert_array_equal(reference["output_1"], [3, 1])
        assert reference.entries["output_1"].element_type == "i64"

    def test_a_seed_is_that_of_the_factory_too(self, factories: Path):
        made = [
            imported("weighted_factories:sequential", factories / name, seed=seed)[1][0]
            for name, seed in (("a", 1), ("b", 1), ("c", 2))
        ]
        digests = [weights.metadata["contents"] for weights in made]
        assert digests[0] == digests[1] != digests[2]

    def test_the_data_in_the_text_is_that_of_the_file(self, factories: Path):
        """A factory that draws its buffers must be asked once."""
        made, (weights, _, _) = imported("weighted_factories:normed", factories / "m", seed=3)
        blob = re.search(r'norm\.running_mean: "0x([0-9A-F]+)"', made.text)
        assert blob is not None
        # A 4-byte alignment stands before the data.
        data = bytes.fromhex(blob[1])[4:]
        assert data == weights["norm.running_mean"].tobytes()

    def test_a_users_own_module_stays_as_it_was(self, factories: Path):
        imported("weighted_factories:own:own_inputs", factories / "m")
        import weighted_factories  # type: ignore[import-not-found]

        module = weighted_factories.own
        assert {t.dtype for t in module.parameters()} == {torch.float16}
        assert module.norm.running_mean.dtype == torch.float16

    def test_an_output_beyond_f16_is_an_error(self, factories: Path):
        with pytest.raises(UserError, match=r"the output of '0' reaches 8e\+04") as caught:
            imported("weighted_factories:large", factories / "m")
        assert "--force" in caught.value.notes[1]
        imported("weighted_factories:large", factories / "m", force=True)

    def test_a_cast_weight_beyond_f16_is_an_error(self, factories: Path):
        with pytest.raises(UserError, match="weight 'weight' does not fit float16"):
            imported("weighted_factories:too_large", factories / "m", dtype="f16")
        imported("weighted_factories:too_large", factories / "m")

    def test_a_model_that_insists_on_halves_is_an_error(self, factories: Path):
        with pytest.raises(UserError, match="cannot evaluate the model in f32") as caught:
            imported("weighted_factories:halves", factories / "m")
        assert "follow the type of its inputs" in caught.value.notes[0]


def test_too_little_memory_is_told_before_the_work(write_config, tmp_path: Path, monkeypatch):
    config, folder = write_config(ONE_LAYER), tmp_path / "made"
    real = os.sysconf
    small = {"SC_PHYS_PAGES": 10}
    monkeypatch.setattr(os, "sysconf", lambda name: small.get(name) or real(name))
    with pytest.raises(UserError, match="more than half of this machine's") as caught:
        imported(config, folder, context=8)
    assert "--layers" in caught.value.notes[0]
    assert list(folder.iterdir()) == []
    imported(config, folder, context=8, force=True)


def test_a_failure_leaves_the_old_files(factories: Path):
    folder = factories / "m"
    imported("weighted_factories:sequential", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError):
        imported("weighted_factories:large", folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_made(write_config, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make"):
        imported(write_config(ONE_LAYER), tmp_path / "file" / "made", context=8)


def test_the_reference_says_what_pytorchs_own_f16_loses(write_config, tmp_path: Path):
    request = TensorRequest(tmp_path / "run")
    import_model(ImportSpec(write_config(ONE_LAYER), context=8), tensors=request)
    reference = TensorFile(tmp_path / "run/reference.safetensors")
    errors = json.loads(reference.metadata["own_errors"])
    assert reference.metadata["own_type"] == "f16"
    assert set(errors) == set(reference)
    assert 0 < errors["logits"] < 1e-2


def test_caches_of_a_checkpoint_are_what_its_layers_make(write_config, tmp_path: Path):
    # Random numbers there make a trained model magnify roundings, as much as the draw decides.
    path = write_config(ONE_LAYER)
    folder = Path(path).parent
    import_model(ImportSpec(path, context=8), tensors=TensorRequest(tmp_path / "run"))
    weights = TensorFile(tmp_path / "run/weights.safetensors")
    save_file(
        {name: np.array(weights[name]) for name in weights if "inv_freq" not in name},
        folder / "model.safetensors",
    )
    spec = ImportSpec(str(folder), batch=2, context=80)
    import_model(spec, tensors=TensorRequest(tmp_path / "own"))
    keys = TensorFile(tmp_path / "own/inputs.safetensors")["past.0.key"]
    hidden = 80 // 8
    # The sequences see other tokens, each from its first visible slot on; 64, then again.
    assert not np.array_equal(keys[0, :, 0], keys[1, :, hidden])
    np.testing.assert_array_equal(keys[0, :, 64], keys[0, :, 1])
    np.testing.assert_array_equal(keys[1, :, 64 + hidden], keys[1, :, 1 + hidden])
