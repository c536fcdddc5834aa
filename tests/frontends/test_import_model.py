"""The text an import prints: roles, weights, buffers, types; and that real MLIR parses it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tiny_models import TINY_LLAMA, TINY_SMOLVLM, TINY_TEXT
from xdsl.context import Context
from xdsl.dialects import arith, builtin, func, linalg, math, tensor
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.parser import Parser

from asic_compiler.frontends import ImportedModel, ImportSpec, import_model

BATCH, CONTEXT, LAYERS = 2, 24, 2


def parse(text: str) -> ModuleOp:
    """By xDSL; ops that its own dialects lack stay opaque here."""
    context = Context(allow_unregistered=True)
    for dialect in (builtin.Builtin, func.Func, arith.Arith, math.Math, tensor.Tensor):
        context.load_dialect(dialect)
    context.load_dialect(linalg.Linalg)
    return Parser(context, text).parse_module()


def accepted_by_mlir(text: str, tmp_path: Path) -> bool:
    file = tmp_path / "printed.mlir"
    file.write_text(text)
    tool = Path(sys.executable).parent / "torch-mlir-opt"
    command = [str(tool), "--allow-unregistered-dialect", str(file), "-o", "/dev/null"]
    return subprocess.run(command, check=False).returncode == 0


def main_of(module: ModuleOp) -> func.FuncOp:
    (function,) = (op for op in module.body.ops if isinstance(op, func.FuncOp))
    return function


def attributes(dictionaries: builtin.ArrayAttr) -> list[dict[str, object]]:
    def plain(value):
        return value.value.data if isinstance(value, IntegerAttr) else value.data

    return [{key: plain(value) for key, value in each.data.items()} for each in dictionaries]


@pytest.fixture(scope="module")
def config_file(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("tiny-llama")
    (folder / "config.json").write_text(json.dumps(TINY_LLAMA))
    return str(folder / "config.json")


@pytest.fixture(scope="module")
def decode(config_file: str) -> ImportedModel:
    return import_model(ImportSpec(config_file, batch=BATCH, context=CONTEXT))


def test_arguments_and_results_carry_their_roles(decode: ImportedModel):
    function = main_of(parse(decode.text))
    arguments = attributes(function.arg_attrs)
    assert [each["asic.role"] for each in arguments] == [
        *("token_ids", "position", "mask"),
        *("kv_key", "kv_value") * LAYERS,
    ]
    assert [each.get("asic.layer") for each in arguments] == [None, None, None, 0, 0, 1, 1]
    results = attributes(function.res_attrs)
    assert [each["asic.role"] for each in results] == ["logits", *("kv_key", "kv_value") * LAYERS]
    assert results[3] == {"asic.name": "present.1.key", "asic.role": "kv_key", "asic.layer": 1}
    shapes = [each.get_shape() for each in function.function_type.inputs]
    assert shapes[2:4] == [(BATCH, 1, 1, CONTEXT), (BATCH, 2, CONTEXT, 16)]
    assert function.function_type.outputs.data[0].get_shape() == (BATCH, 1, 96)


def test_the_module_carries_its_workload(decode: ImportedModel):
    workload = parse(decode.text).attributes["asic.workload"].data
    assert workload["phase"].data == "decode"
    assert {key: workload[key].value.data for key in ("batch", "context", "tokens")} == {
        "batch": BATCH,
        "context": CONTEXT,
        "tokens": BATCH,
    }


def test_weights_have_published_names_and_no_data_and_buffers_have_data(decode: ImportedModel):
    names = re.findall(r"dense_resource<([\w.]+)>", decode.text)
    assert set(names) == {*decode.parameters, "model.rotary_emb.inv_freq"}
    assert "model.layers.1.self_attn.q_proj.weight" in decode.parameters
    assert decode.parameters["lm_head.weight"].shape == (96, 64)
    assert re.findall(r'^ *([\w.]+): "0x', decode.text, re.MULTILINE) == [
        "model.rotary_emb.inv_freq"
    ]


def test_parameter_names_and_shapes_are_those_of_transformers(decode: ImportedModel):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**TINY_TEXT))
    wanted = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert {name: info.shape for name, info in decode.parameters.items()} == wanted
    assert decode.parameter_count == sum(value.numel() for value in model.parameters())
    assert decode.parameter_bytes == 2 * decode.parameter_count


def test_the_cache_is_written_in_its_last_slot(decode: ImportedModel):
    inserts = re.findall(
        r'"tensor.insert_slice"\(.*static_offsets = array<i64: ([^>]*)>', decode.text
    )
    assert inserts == [f"0, 0, {CONTEXT - 1}, 0"] * (2 * LAYERS)


def test_mlir_accepts_the_text(decode: ImportedModel, tmp_path: Path):
    assert accepted_by_mlir(decode.text, tmp_path)
    assert not accepted_by_mlir(decode.text[:-2000], tmp_path)


def test_the_same_specification_gives_the_same_bytes_and_leaves_pytorch_as_it_was(
    decode: ImportedModel, config_file: str
):
    import torch

    before = (torch.nn.Module.register_parameter, torch.get_default_dtype(), warnings.filters[:])
    again = import_model(ImportSpec(config_file, batch=BATCH, context=CONTEXT))
    assert again.text == decode.text
    after = (torch.nn.Module.register_parameter, torch.get_default_dtype(), warnings.filters[:])
    assert before == after


def test_prefill_takes_no_cache_and_returns_one(config_file: str):
    model = import_model(
        ImportSpec(config_file, phase="prefill", batch=BATCH, context=CONTEXT, layers=1)
    )
    function = main_of(parse(model.text))
    assert [info.role for info in model.arguments] == ["token_ids", "position", "mask"]
    assert [info.role for info in model.results] == ["logits", "kv_key", "kv_value"]
    outputs = [each.get_shape() for each in function.function_type.outputs]
    assert outputs == [(BATCH, 1, 96), (BATCH, 2, CONTEXT, 16), (BATCH, 2, CONTEXT, 16)]
    assert model.workload.tokens == BATCH * CONTEXT


def test_the_configurations_own_element_type_and_a_tied_head(write_config, tmp_path: Path):
    path = write_config(
        {
            **TINY_LLAMA,
            "torch_dtype": "bfloat16",
            "num_hidden_layers": 1,
            "tie_word_embeddings": True,
        }
    )
    model = import_model(ImportSpec(path, context=CONTEXT))
    assert {info.element_type for info in model.parameters.values()} == {"bf16"}
    assert "model.embed_tokens.weight" in model.parameters
    assert "lm_head.weight" not in model.parameters
    assert accepted_by_mlir(model.text, tmp_path)


def test_locations_and_a_chosen_element_type(config_file: str, tmp_path: Path):
    spec = ImportSpec(config_file, layers=1, context=CONTEXT, dtype="f32", locations=True)
    model = import_model(spec)
    assert {info.element_type for info in model.parameters.values()} == {"f32"}
    assert model.argument_types[3] == f"tensor<1x2x{CONTEXT}x16xf32>"
    assert re.search(r'loc\("[^"]*modeling_llama.py":\d+:0\)', model.text)
    # Every operation has a line of the model's own, its head too.
    assert not re.search(r'loc\("[^"]*site-packages/torch/', model.text)
    assert accepted_by_mlir(model.text, tmp_path)


def test_both_parts_of_a_vision_language_model(write_config, tmp_path: Path):
    path = write_config(TINY_SMOLVLM)
    vision = import_model(ImportSpec(path, part="vision", batch=3, layers=1))
    assert vision.argument_types == ("tensor<3x3x64x64xf16>",)
    assert vision.result_types == ("tensor<3x4x64xf16>",)
    assert (vision.workload.phase, vision.workload.tokens, vision.layers) == ("inference", 3, 1)
    assert "model.vision_model.embeddings.patch_embedding.weight" in vision.parameters
    assert "model.connector.modality_projection.proj.weight" in vision.parameters
    assert accepted_by_mlir(vision.text, tmp_path)
    parse(vision.text)
    text = import_model(ImportSpec(path, context=CONTEXT, layers=1))
    assert "model.text_model.layers.0.self_attn.q_proj.weight" in text.parameters
    assert not any("vision" in name for name in text.parameters)


def test_one_layer_of_the_real_model_has_its_dimensions():
    model = import_model(ImportSpec("llama-3.1-8b", batch=3, context=2048, layers=1))
    assert model.parameters["model.layers.0.mlp.up_proj.weight"].shape == (14336, 4096)
    # Embedding and head, 128,256 x 4,096 each; a layer; the last norm.
    layer = 4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14336 + 2 * 4096
    assert model.parameter_count == 2 * 128256 * 4096 + layer + 4096
    assert model.argument_types[3] == "tensor<3x8x2048x128xf16>"
