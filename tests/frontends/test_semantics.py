"""What is exported computes what the plain transformers model computes."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from tiny_models import TINY_LLAMA, TINY_SMOLVLM, TINY_TEXT
from transformers import DynamicCache

from asic_compiler.frontends import ImportSpec
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.pytorch import language
from asic_compiler.frontends.pytorch.lowering import decompose, export

torch.set_num_threads(1)
# What PyTorch deprecates inside its own export is not ours to fix.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
BATCH, CONTEXT = 2, 7


def prepared_with_weights(write_config, config, **options):
    torch.manual_seed(0)
    path = write_config(copy.deepcopy(config))
    spec = ImportSpec(path, dtype="f32", batch=BATCH, **options)
    prepared = language.prepare(find_recipe(spec), spec, mode=None)
    with torch.no_grad():
        for parameter in prepared.module.parameters():
            parameter.uniform_(-0.3, 0.3)
    return prepared


def exported(prepared, decomposed=False):
    program = export(prepared, None)
    return (decompose(program) if decomposed else program).module()


def causal_mask(tokens: int) -> torch.Tensor:
    mask = torch.full((tokens, tokens), torch.finfo(torch.float32).min).triu(1)
    return mask[None, None].expand(BATCH, 1, tokens, tokens).contiguous()


@pytest.fixture(scope="module")
def llama_decode(tmp_path_factory):
    """A decode step with random weights, and the program exported from it."""

    def write(config):
        file = tmp_path_factory.mktemp("llama") / "config.json"
        file.write_text(json.dumps(config))
        return str(file)

    prepared = prepared_with_weights(write, TINY_LLAMA, context=CONTEXT)
    return prepared, exported(prepared, decomposed=True)


def check_decode(prepared, program):
    """Against transformers with a cache that holds one token less."""
    model = prepared.module.model
    ids = torch.randint(0, 96, (BATCH, CONTEXT))
    cache = DynamicCache()
    with torch.no_grad():
        model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True)
        past = [
            torch.cat([tensor, torch.full_like(tensor[:, :, :1], 9.0)], dim=2)
            for layer in cache.layers
            for tensor in (layer.keys, layer.values)
        ]
        wanted = model(input_ids=ids[:, -1:], past_key_values=cache, use_cache=True)
        positions = torch.full((BATCH, 1), CONTEXT - 1)
        mask = torch.zeros(BATCH, 1, 1, CONTEXT)
        logits, *present = program(ids[:, -1:], positions, mask, *past)
    torch.testing.assert_close(logits, wanted.logits)
    for index, tensor in enumerate(present):
        layer = cache.layers[index // 2]
        torch.testing.assert_close(tensor, layer.values if index % 2 else layer.keys)


def test_decode_equals_transformers(llama_decode):
    check_decode(*llama_decode)


@pytest.mark.parametrize("model_type", ["mistral", "qwen2", "qwen3"])
def test_decode_of_the_other_families(write_config, model_type):
    # They share the wrapper; that layers stay apart is llama's to show.
    config = {"model_type": model_type, **TINY_TEXT, "num_hidden_layers": 1}
    prepared = prepared_with_weights(write_config, config, context=CONTEXT)
    check_decode(prepared, exported(prepared))


def test_decode_ignores_the_slots_that_the_mask_hides(llama_decode):
    _, program = llama_decode
    past = [torch.randn(BATCH, 2, CONTEXT, 16) for _ in range(4)]
    other = [torch.cat([torch.randn_like(t[:, :, :3]), t[:, :, 3:]], dim=2) for t in past]
    ids, positions = torch.tensor([[5], [6]]), torch.full((BATCH, 1), 3)
    mask = torch.zeros(BATCH, 1, 1, CONTEXT)
    mask[..., :3] = torch.finfo(torch.float32).min
    with torch.no_grad():
        first = program(ids, positions, mask, *past)[0]
        second = program(ids, positions, mask, *other)[0]
        unmasked = program(ids, positions, torch.zeros_like(mask), *other)[0]
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, unmasked)


def test_prefill_equals_transformers(write_config):
    prepared = prepared_with_weights(
        write_config, {"model_type": "llama", **TINY_TEXT}, context=CONTEXT, phase="prefill"
    )
    ids = torch.randint(0, 96, (BATCH, CONTEXT))
    positions = torch.arange(CONTEXT).expand(BATCH, CONTEXT).contiguous()
    with torch.no_grad():
        cache = DynamicCache()
        wanted = prepared.module.model(input_ids=ids, past_key_values=cache, use_cache=True)
        logits, *present = exported(prepared)(ids, positions, causal_mask(CONTEXT))
    torch.testing.assert_close(logits, wanted.logits[:, -1:])
    for index, tensor in enumerate(present):
        layer = cache.layers[index // 2]
        torch.testing.assert_close(tensor, layer.values if index % 2 else layer.keys)


@pytest.mark.parametrize("model_type", ["smolvlm", "idefics3"])
def test_vision_part_equals_transformers(write_config, model_type):
    config = {**copy.deepcopy(TINY_SMOLVLM), "model_type": model_type}
    options = {"part": "vision"}
    path = write_config(config)
    prepared = prepared_with_weights(write_config, config, **options)
    # The program's module has lost its language model: take the whole from the same weights.
    recipe = find_recipe(ImportSpec(path, dtype="f32"))
    whole = language.build(recipe, None).model
    whole.load_state_dict(prepared.module.model.state_dict(), strict=False)
    assert prepared.module.position_ids.tolist() == [list(range(16))]
    pixels = torch.rand(BATCH, 3, 64, 64) + 0.1
    with torch.no_grad():
        wanted = whole.model.get_image_features(pixels[:, None]).pooler_output
        features = exported(prepared, decomposed=model_type == "smolvlm")(pixels)
    torch.testing.assert_close(features, torch.stack(list(wanted)))


def test_text_part_of_a_vision_language_model_equals_transformers(write_config):
    prepared = prepared_with_weights(write_config, TINY_SMOLVLM, context=CONTEXT, phase="prefill")
    whole = language.build(find_recipe(ImportSpec(write_config(TINY_SMOLVLM), dtype="f32")), None)
    whole.model.load_state_dict(prepared.module.model.state_dict(), strict=False)
    ids = torch.randint(0, 96, (BATCH, CONTEXT))
    positions = torch.arange(CONTEXT).expand(BATCH, CONTEXT).contiguous()
    with torch.no_grad():
        wanted = whole.model(input_ids=ids).logits[:, -1:]
        logits = exported(prepared)(ids, positions, causal_mask(CONTEXT))[0]
    torch.testing.assert_close(logits, wanted)
