"""GGUF files: a tiny one, written with the package of llama.cpp and read by ours."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends import ImportSpec, TensorRequest, import_model
from asic_compiler.frontends.gguf.configuration import llama3_divisors
from asic_compiler.frontends.gguf.file import read
from asic_compiler.frontends.gguf.tensors import GgufCheckpoint
from asic_compiler.tensors.files import TensorFile
from asic_compiler.tools import asic_import

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

WIDTH, HEADS, KV_HEADS, HIDDEN, WORDS = 64, 4, 2, 96, 40
TYPES = ("Q4_0", "Q4_1", "Q8_0", "F16", "BF16", "F32", "Q4_0")
LAYER = {
    "attn_q": (WIDTH, WIDTH),
    "attn_k": (WIDTH // 2, WIDTH),
    "attn_v": (WIDTH // 2, WIDTH),
    "attn_output": (WIDTH, WIDTH),
    "ffn_gate": (HIDDEN, WIDTH),
    "ffn_up": (HIDDEN, WIDTH),
    "ffn_down": (WIDTH, HIDDEN),
}


def matrix(name: str, shape: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(sum(map(ord, name)))
    return rng.standard_normal(shape).astype(np.float32)


def write(
    path: Path,
    architecture: str = "llama",
    extra: dict[str, Any] | None = None,
    tensors: dict[str, Any] | None = None,
) -> dict[str, tuple[Any, GGMLQuantizationType]]:
    """Writes a model of one layer; returns what was stored: bytes and type of each tensor."""
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(50000.0)
    writer.add_token_list([f"word{i}" for i in range(WORDS)])
    for key, value in (extra or {}).items():
        add = writer.add_string if isinstance(value, str) else writer.add_float32
        (writer.add_uint32 if isinstance(value, int) else add)(key, value)
    stored: dict[str, tuple[Any, GGMLQuantizationType]] = {}
    named = {
        "token_embd.weight": (matrix("embd", (WORDS, WIDTH)), "Q8_0"),
        "output_norm.weight": (matrix("norm", (WIDTH,)), "F32"),
        "blk.0.attn_norm.weight": (matrix("a", (WIDTH,)), "F32"),
        "blk.0.ffn_norm.weight": (matrix("f", (WIDTH,)), "F32"),
        **{
            f"blk.0.{name}.weight": (matrix(name, shape), kind)
            for (name, shape), kind in zip(LAYER.items(), TYPES, strict=True)
        },
        **{name: (value, "F32") for name, value in (tensors or {}).items()},
    }
    for name, (value, kind) in named.items():
        type_ = GGMLQuantizationType[kind]
        data = quantize(value, type_)
        writer.add_tensor(name, data, raw_dtype=type_)
        stored[name] = (data, type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def independent(data: Any, kind: str) -> Any:
    """The formulas of llama.cpp (ggml-quants.c, dequantize_row_*), block by block."""
    if kind == "F32":
        return data.astype(np.float64)
    if kind == "F16":
        return data.view(np.float16).astype(np.float64)
    if kind == "BF16":
        wide = data.view(np.uint16).astype(np.uint32) << 16
        return wide.view(np.float32).astype(np.float64)
    size = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}[kind]
    rows = []
    for row in np.ascontiguousarray(data).reshape(data.shape[0], -1).view(np.uint8):
        values: list[float] = []
        for start in range(0, len(row), size):
            block = row[start : start + size].tobytes()
            scale = float(np.frombuffer(block[:2], np.float16)[0])
            if kind == "Q8_0":
                values += [scale * code for code in np.frombuffer(block[2:], np.int8).tolist()]
                continue
            nibbles = block[2:] if kind == "Q4_0" else block[4:]
            codes = [byte & 15 for byte in nibbles] + [byte >> 4 for byte in nibbles]
            if kind == "Q4_0":
                values += [scale * (code - 8) for code in codes]
            else:
                least = float(np.frombuffer(block[2:4], np.float16)[0])
                values += [scale * code + least for code in codes]
        rows.append(values)
    return np.array(rows)


def test_values_are_those_of_llama_cpps_formulas(tmp_path: Path):
    stored = write(tmp_path / "m.gguf")
    checkpoint = GgufCheckpoint(tmp_path / "m.gguf")
    for name, own in {
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }.items():
        data, kind = stored[f"blk.0.{name}.weight"]
        read_back = checkpoint.tensor(f"model.layers.0.{own}.weight")
        assert read_back.shape == LAYER[name]
        np.testing.assert_allclose(read_back, independent(data, kind.name), rtol=1e-6, atol=1e-7)


def test_rows_of_queries_and_keys_are_put_back(tmp_path: Path):
    # llama.cpp rotates neighbours, Hugging Face halves: with the rows as stored, attention would
    # see other positions, and the import would be wrong without a word.
    stored = write(tmp_path / "m.gguf")
    checkpoint = GgufCheckpoint(tmp_path / "m.gguf")
    for own, name, heads in (("q_proj", "attn_q", HEADS), ("k_proj", "attn_k", KV_HEADS)):
        data, kind = stored[f"blk.0.{name}.weight"]
        rows = independent(data, kind.name)
        size = len(rows) // heads
        wanted = [
            rows[head * size + 2 * (row % (size // 2)) + row // (size // 2)]
            for head in range(heads)
            for row in range(size)
        ]
        found = checkpoint.tensor(f"model.layers.0.self_attn.{own}.weight")
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


def test_qwen2_is_not_permuted(tmp_path: Path):
    biases = {
        f"blk.0.{name}.bias": matrix(name, LAYER[name][:1])
        for name in ("attn_q", "attn_k", "attn_v")
    }
    stored = write(tmp_path / "m.gguf", "qwen2", tensors=biases)
    checkpoint = GgufCheckpoint(tmp_path / "m.gguf")
    data, kind = stored["blk.0.attn_q.weight"]
    found = checkpoint.tensor("model.layers.0.self_attn.q_proj.weight")
    np.testing.assert_allclose(found, independent(data, kind.name), rtol=1e-6, atol=1e-7)


def test_the_configuration(tmp_path: Path):
    write(tmp_path / "m.gguf")
    config = GgufCheckpoint(tmp_path / "m.gguf").config
    assert config["rms_norm_eps"] == 1e-5  # stored as f32
    assert config["head_dim"] == WIDTH // HEADS
    assert config["tie_word_embeddings"] is True
    assert config["vocab_size"] == WORDS
    assert config["rope_parameters"] == {"rope_type": "default", "rope_theta": 50000.0}


def test_llama_31s_scaling_is_recognised_in_its_tensor(tmp_path: Path):
    factors = llama3_divisors(WIDTH // HEADS, 50000.0, 32.0).astype(np.float32)
    write(tmp_path / "m.gguf", tensors={"rope_freqs.weight": factors})
    rope = GgufCheckpoint(tmp_path / "m.gguf").config["rope_parameters"]
    assert (rope["rope_type"], rope["factor"]) == ("llama3", 32.0)
    write(tmp_path / "n.gguf", tensors={"rope_freqs.weight": factors * 1.5})
    with pytest.raises(UserError, match="is not that of a Llama"):
        GgufCheckpoint(tmp_path / "n.gguf")


def test_the_divisors_are_those_of_transformers():
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(hidden_size=256, num_attention_heads=2, rope_parameters=rope)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = 500000.0 ** -(np.arange(0, 128, 2) / 128)
    divisors = plain / scaled.numpy()
    np.testing.assert_allclose(llama3_divisors(128, 500000.0, 8.0), divisors, rtol=1e-4)


def test_a_folder_with_one_is_imported_and_said_so(tmp_path: Path, capsys):
    write(tmp_path / "m.gguf")
    output = tmp_path / "m.mlir"
    assert asic_import.main([str(tmp_path), "--context", "16", "-o", str(output)]) == 0
    assert "de-quantised to the element type of the program" in capsys.readouterr().err
    assert "model.layers.0.self_attn.q_proj.weight" in output.read_text()
    write(tmp_path / "n.gguf")
    assert asic_import.main([str(tmp_path)]) == 1
    assert "holds 2 GGUF files" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_are_written_in_f16(tmp_path: Path):
    write(tmp_path / "m.gguf")
    spec = ImportSpec(str(tmp_path / "m.gguf"), context=8)
    import_model(spec, tensors=TensorRequest(tmp_path / "run"))
    written = TensorFile(tmp_path / "run/weights.safetensors")
    checkpoint = GgufCheckpoint(tmp_path / "m.gguf")
    for name in checkpoint.shapes:
        np.testing.assert_array_equal(written[name], checkpoint.tensor(name).astype(np.float16))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"llama.expert_count": 8}, "'llama.expert_count' is 8, which is not supported"),
        ({"llama.logit_scale": 0.5}, "the key 'llama.logit_scale' is not known"),
        ({"llama.rope.scaling.type": "yarn"}, "'yarn' is not supported"),
        ({"llama.rope.dimension_count": 8}, "'llama.rope.dimension_count' is 8, not 16"),
        ({"llama.attention.sliding_window": 16}, "hides tokens: attention of 16 tokens"),
        ({"split.count": 2}, "is a part of a model"),
    ],
)
def test_what_changes_the_model_is_refused(tmp_path: Path, extra, message):
    write(tmp_path / "m.gguf", extra=extra)
    with pytest.raises(UserError) as caught:
        import_model(ImportSpec(str(tmp_path / "m.gguf"), context=64))
    assert message in caught.value.message


def test_unknown_architectures_and_tensors(tmp_path: Path):
    write(tmp_path / "m.gguf", "mamba")
    with pytest.raises(UserError, match="unsupported architecture 'mamba'"):
        GgufCheckpoint(tmp_path / "m.gguf")
    write(tmp_path / "n.gguf", tensors={"blk.0.ffn_gate_inp.weight": matrix("g", (4, WIDTH))})
    with pytest.raises(UserError, match=r"the tensor 'blk.0.ffn_gate_inp.weight' is not known"):
        GgufCheckpoint(tmp_path / "n.gguf")


def test_a_truncated_file_is_one_line_at_every_length(tmp_path: Path):
    write(tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    short = tmp_path / "short.gguf"
    for length in [*range(0, 1200, 37), len(whole) // 2, len(whole) - 40]:
        short.write_bytes(whole[:length])
        with pytest.raises(UserError, match="is not a whole GGUF file"):
            read(short)


def test_lengths_that_lie_are_not_believed(tmp_path: Path):
    path = tmp_path / "m.gguf"
    huge = (1 << 62).to_bytes(8, "little")
    start = b"GGUF" + (3).to_bytes(4, "little")
    for content in (
        start + huge + bytes(8),
        start + bytes(8) + huge,
        start + bytes(8) + (1).to_bytes(8, "little") + huge + bytes(64),
        start[:4] + (3).to_bytes(4, "big") + bytes(16),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is not a whole GGUF file"):
            read(path)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        import_model(ImportSpec(str(tmp_path / "absent.gguf")))


def test_a_huge_dimension_beside_an_empty_one_is_refused(tmp_path: Path):
    """It has no bytes, so any file holds it; NumPy refused to shape it: ValueError."""
    dimensions = struct.pack("<QQ", 32 * 2**58, 0)
    name = b"token_embd.weight"
    tensor = struct.pack("<Q", len(name)) + name + struct.pack("<I", 2) + dimensions
    tensor += struct.pack("<IQ", 0, 0)
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor + bytes(64))
    with pytest.raises(UserError, match="has a dimension of"):
        read(tmp_path / "m.gguf")
