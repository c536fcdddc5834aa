"""Each family of language models decodes and prefills what transformers' own model does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_families import TINY_FAMILIES
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, TensorRequest, import_model
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.pytorch import language
from asic_compiler.frontends.pytorch.lowering import export
from asic_compiler.frontends.pytorch.rotary import make_steady
from asic_compiler.tensors.comparison import relative_error
from asic_compiler.tensors.files import TensorFile

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
BATCH, CONTEXT, BEFORE = 2, 8, 5
HIDDEN = torch.finfo(torch.float16).min / 2


def config_file(folder: Path, name: str) -> str:
    file = folder / "config.json"
    file.write_text(json.dumps(TINY_FAMILIES[name]))
    return str(file)


def theirs(name: str, dtype: torch.dtype = torch.float32):
    """transformers' model as its own code builds it, with weights that make every part matter."""
    config = AutoConfig.for_model(**TINY_FAMILIES[name])
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=dtype)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.3, 0.3)
    return model.eval()


def ours(folder: Path, name: str, model, **options):
    spec = ImportSpec(config_file(folder, name), batch=BATCH, context=CONTEXT, **options)
    prepared = language.prepare(find_recipe(spec), spec, mode=None)
    prepared.module.model.load_state_dict(model.state_dict())
    return prepared


def tokens() -> torch.Tensor:
    return torch.randint(0, 96, (BATCH, CONTEXT), generator=torch.Generator().manual_seed(1))


def in_last_slots(tensor: torch.Tensor, slots: int) -> torch.Tensor:
    """Tokens of a cache before the slot of the next one, and numbers to be hidden before them."""
    kept = tensor[:, :, -min(tensor.shape[2], slots - 1) :] if slots > 1 else tensor[:, :, :0]
    batch, heads, count, size = kept.shape
    full = torch.full((batch, heads, slots, size), 9.0, dtype=tensor.dtype)
    full[:, :, slots - 1 - count : slots - 1] = kept
    return full


def decoded(model, step, layout) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Logits of some steps, ours and theirs; the cache is filled by their prefill."""
    ids, cache, pairs = tokens(), DynamicCache(config=model.config), []
    with torch.no_grad():
        model(input_ids=ids[:, :BEFORE], past_key_values=cache, use_cache=True)
        past = [
            in_last_slots(tensor[:, :: layout.copies], slots)
            for layer, slots in zip(cache.layers, layout.slots, strict=True)
            for tensor in (layer.keys, layer.values)
        ]
        for place in range(BEFORE, CONTEXT):
            token = ids[:, place : place + 1]
            wanted = model(input_ids=token, past_key_values=cache, use_cache=True).logits
            masks = [torch.zeros(BATCH, 1, 1, slots) for slots in layout.masks.values()]
            for mask in masks:
                mask[..., : max(0, mask.shape[-1] - place - 1)] = HIDDEN
            masks = [mask.to(wanted.dtype) for mask in masks]
            logits, *present = step(token, torch.full((BATCH, 1), place), *masks, *past)
            pairs.append((logits, wanted))
            past = [in_last_slots(tensor, tensor.shape[2]) for tensor in present]
    for index, tensor in enumerate(present):
        layer = cache.layers[index // 2]
        kept = (layer.values if index % 2 else layer.keys)[:, :: layout.copies]
        torch.testing.assert_close(tensor[:, :, -kept.shape[2] :], kept, rtol=1e-2, atol=1e-2)
    return pairs


def check_steps(folder: Path, name: str, exported: bool):
    model = theirs(name)
    prepared = ours(folder, name, model, dtype="f32")
    step = export(prepared, None).module() if exported else prepared.module
    for logits, wanted in decoded(model, step, prepared.module.layout):
        torch.testing.assert_close(logits, wanted)


@pytest.mark.parametrize("name", TINY_FAMILIES)
def test_several_steps_decode_as_transformers(tmp_path: Path, name: str):
    check_steps(tmp_path, name, exported=False)


EXPORTED = ("gemma3", "phi3-longrope", "falcon-grouped", "gpt2")


@pytest.mark.parametrize(
    "name",
    [
        name if name in EXPORTED else pytest.param(name, marks=pytest.mark.slow)
        for name in TINY_FAMILIES
    ],
)
def test_several_steps_of_the_exported_program(tmp_path: Path, name: str):
    check_steps(tmp_path, name, exported=True)


@pytest.mark.parametrize("name", TINY_FAMILIES)
def test_half_precision_is_as_far_off_as_pytorch(tmp_path: Path, name: str):
    half = theirs(name, torch.float16)
    wide = theirs(name)
    wide.load_state_dict({key: value.float() for key, value in half.state_dict().items()})
    prepared = ours(tmp_path, name, half, dtype="f16")
    layout = prepared.module.layout
    step = ours(tmp_path, name, wide, dtype="f32").module
    right = [wanted.numpy() for _, wanted in decoded(wide, step, layout)]
    for (logits, wanted), truth in zip(decoded(half, prepared.module, layout), right, strict=True):
        own = relative_error(wanted.float().numpy(), truth)
        assert relative_error(logits.float().numpy(), truth) <= 2 * own + 1e-3


@pytest.mark.parametrize("name", TINY_FAMILIES)
def test_a_prefill_gives_what_a_decode_step_takes(tmp_path: Path, name: str):
    model = theirs(name)
    prepared = ours(tmp_path, name, model, dtype="f32", phase="prefill")
    layout, cache, ids = prepared.module.layout, DynamicCache(config=model.config), tokens()
    distance = torch.arange(CONTEXT)[:, None] - torch.arange(CONTEXT)[None, :]
    seen = [(distance >= 0) & (distance < slots) for slots in layout.masks.values()]
    masks = [torch.where(s, 0.0, HIDDEN).repeat(BATCH, 1, 1, 1) for s in seen]
    with torch.no_grad():
        wanted = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[:, -1:]
        logits, *present = prepared.module(ids, torch.arange(CONTEXT).repeat(BATCH, 1), *masks)
    torch.testing.assert_close(logits, wanted)
    for index, tensor in enumerate(present):
        layer = cache.layers[index // 2]
        kept = (layer.values if index % 2 else layer.keys)[:, :: layout.copies]
        assert tensor.shape[2] == layout.slots[index // 2]
        torch.testing.assert_close(tensor[:, :, -kept.shape[2] :], kept)


SAVED = ("gpt2", "gpt_neox", "falcon")


@pytest.mark.parametrize(
    "name",
    [
        name if name in SAVED else pytest.param(name, marks=pytest.mark.slow)
        for name in TINY_FAMILIES
    ],
)
def test_weights_of_a_saved_model_are_found_by_name(tmp_path: Path, name: str):
    model = theirs(name)
    model.save_pretrained(tmp_path / "saved")
    spec = ImportSpec(str(tmp_path / "saved"), batch=BATCH, context=CONTEXT)
    made = import_model(spec, tensors=TensorRequest(tmp_path / "made"))
    weights, inputs, reference = (TensorFile(path) for path in made.tensor_files)
    stored = TensorFile(next((tmp_path / "saved").glob("*.safetensors")))
    assert set(made.parameters) == set(stored)
    for key in stored:
        assert (weights[key] == stored[key]).all()
    prepared = ours(tmp_path, name, model, dtype="f32")
    given = [torch.from_numpy(inputs[info.name]) for info in made.arguments]
    with torch.no_grad():
        logits = prepared.module(*given)[0]
    torch.testing.assert_close(logits, torch.from_numpy(reference["logits"]))


def test_the_language_model_of_gemma3(tmp_path: Path):
    # Published files put it beside a vision tower, under names that transformers changes as it
    # reads them, and leave out what the class has as a default.
    import transformers

    text = {**TINY_FAMILIES["gemma3"], "max_position_embeddings": 64}
    vision = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
    }
    config = transformers.Gemma3Config(text_config=text, vision_config=vision)
    model = transformers.Gemma3ForConditionalGeneration(config)
    folder = tmp_path / "saved"
    model.save_pretrained(folder)
    spec = ImportSpec(str(folder), batch=BATCH, context=CONTEXT)
    made = import_model(spec, tensors=TensorRequest(tmp_path / "made"))
    stored = TensorFile(folder / "model.safetensors")
    assert set(made.parameters) == {name for name in stored if name.startswith("language_model.")}
    prepared = language.prepare(find_recipe(spec), spec, mode=None)
    weights = TensorFile(tmp_path / "made/weights.safetensors")
    own = {f"model.{key}": value for key, value in model.model.language_model.state_dict().items()}
    prepared.module.model.load_state_dict({**own, "lm_head.weight": model.lm_head.weight})
    assert (weights["language_model.model.norm.weight"] == own["model.norm.weight"].numpy()).all()
    inputs, reference = (TensorFile(path) for path in made.tensor_files[1:])
    with torch.no_grad():
        logits = prepared.module(*(torch.from_numpy(inputs[a.name]) for a in made.arguments))[0]
    torch.testing.assert_close(logits, torch.from_numpy(reference["logits"]))
    with pytest.raises(UserError, match="the vision tower of 'gemma3' is not imported"):
        find_recipe(ImportSpec(str(folder), part="vision"))


def test_a_checkpoint_without_its_head(tmp_path: Path):
    # GPT-2 as published: saved of the model without a head, with causal masks among its tensors.
    model = theirs("gpt2")
    folder = Path(config_file(tmp_path, "gpt2")).parent
    stored = {key: value.clone() for key, value in model.transformer.state_dict().items()}
    stored["h.0.attn.bias"] = torch.ones(1, 1, 16, 16)
    stored["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(stored, folder / "model.safetensors")
    made = import_model(ImportSpec(str(folder), context=CONTEXT))
    assert "h.1.mlp.c_fc.weight" in made.parameters
    stored["h.0.attn.q_norm.weight"] = torch.ones(16)
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(UserError) as caught:
        import_model(ImportSpec(str(folder), context=CONTEXT))
    assert "h.0.attn.q_norm.weight is in the checkpoint" in caught.value.notes[0]


def test_angles_do_not_come_in_the_order_of_a_set(tmp_path: Path):
    # transformers computes the angles of Gemma 3's two kinds of layers in the order of a Python
    # set of strings, which changes with the process: so did the text.
    prepared = ours(tmp_path, "gemma3", theirs("gemma3"), dtype="f32")
    asked: list[str] = []
    rotary = prepared.module.model.model.rotary_emb
    x, positions = torch.zeros(1, 1, 64), torch.tensor([[3]])
    original = type(rotary).forward
    for order in (["full_attention", "sliding_attention"], ["sliding_attention", "full_attention"]):
        asked.clear()
        with pytest.MonkeyPatch.context() as patch:

            def record(self: object, x: object, positions: object, kind: str) -> object:
                asked.append(kind)
                return original(self, x, positions, kind)

            patch.setattr(type(rotary), "forward", record)
            del rotary.forward
            make_steady(prepared.module.model, CONTEXT)
            made = {kind: rotary(x, positions, kind) for kind in order}
        assert asked == ["full_attention", "sliding_attention"]
        for kind, (cosine, _) in made.items():
            torch.testing.assert_close(cosine, original(rotary, x, positions, kind)[0])
