"""Targets that read no MLIR: texts of options and goals, TOML, JSON, Liberty, tensors, GGUF."""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from asic_compiler.diagnostics import UserError
from asic_compiler.explore.constraint_text import parse_constraints
from asic_compiler.explore.goal_text import parse_goal
from asic_compiler.explore.request import Request
from asic_compiler.frontends.gguf.tensors import GgufCheckpoint
from asic_compiler.frontends.models.catalogue import NAMED_MODELS
from asic_compiler.frontends.models.config import find_recipe
from asic_compiler.frontends.models.factory import split
from asic_compiler.frontends.spec import ImportSpec
from asic_compiler.ppa.chips.description import read_file as read_chips
from asic_compiler.registry import PASSES
from asic_compiler.technology.liberty.calibrate import calibrate
from asic_compiler.technology.library import load_constants
from asic_compiler.tensors.files import TensorFile
from asic_compiler.tools.pass_options import build_pass, parse_flag, parse_pipeline
from fuzzing.changes import changed, changed_bytes, changed_document
from fuzzing.judging import FaultError
from fuzzing.modules import ROOT
from fuzzing.target import Target, shown, texts

GOALS = (
    "maximize tokens_per_s subject to power <= 51 W and die_area <= 858 mm2",
    "minimize latency subject to dies = 3 and clock >= 100 MHz and clock <= 1 GHz",
    "weights 0.4/0.4/0.2 subject to power <= 51.4 W",
    "minimize power subject to latency <= 20 ms and energy_per_token <= 5 mJ/token",
    "maximise tokens_per_s_per_user subject to power<=5 µW and die_area <= 8 mm²",
)
CONSTRAINTS = (
    "mesh = 8x8; vlen in 256..1024",
    "clock <= 500 MHz and dies = 1 and stages = 2 and sc = 2x2 and kv in {8, 16}",
    "rows 3..5 only for lm_head; vlen = 256 for attention",
    "dmem in 32..64 KiB; imem <= 8 KiB; wmem_bank = 16 KiB",
    "vdd in 450..700 mV; dflit >= 128 bit; sc_x = 2",
    "fetch = 2 for matmul, conv; weight_bits = 8",
)
OPTIONS = (
    "node=3nm mode=high-performance evaluations=10 seed=0",
    'goal="minimize latency" seed=1 quiet=true train=false',
    'constraints="mesh = 8x8" dies=1 power_w=5.5 clock_hz=1e9',
    "weights=0.4,0.4,0.2 weight_bits=8,16 kv_bits=8 activation_bits=16",
    "precision=fp16,w8a8 weight_store=rom,sram kv_window=16 kv_page=4",
    "policy=none train=true learner='experts=1 mpc=false batch=64'",
    "temperature_c=85 tokens_per_s=10 area_mm2=5 strategy=random placement=snake emit=out",
    "strategy=random checkpoint=a resume=b evaluations={16}",
)
PIPELINES = (
    "convert-linalg-to-asic,rl-explore{evaluations=16 strategy=random quiet=true}",
    'rl-explore{goal="minimize power subject to latency <= 20 ms"},asic-schedule',
    "asic-schedule , convert-asic-to-tcc",
    "canonicalize,cse,explore{strategy=annealing weights=1,0,0}",
)
CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 64,
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5, "hidden_act": "silu", "torch_dtype": "bfloat16",
        "rope_theta": 500000.0, "tie_word_embeddings": False, "attention_bias": False,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
    },
    {
        "model_type": "mistral", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "sliding_window": 4096,
        "head_dim": 8, "layer_types": ["full_attention", "full_attention"],
    },
    {
        "model_type": "smolvlm", "scale_factor": 4,
        "text_config": {"model_type": "llama", "vocab_size": 64, "hidden_size": 32,
                        "intermediate_size": 64, "num_hidden_layers": 2,
                        "num_attention_heads": 4},
        "vision_config": {"hidden_size": 32, "image_size": 64, "patch_size": 16,
                          "num_attention_heads": 4, "use_base_siglip": True},
    },
)  # fmt: skip
MODELS = (*NAMED_MODELS, "my_model:tiny_cnn", "package.module:factory:inputs", "./tiny/config.json")
_HEADERS: tuple[dict[str, Any], ...] = (
    {"x": {"dtype": "F16", "shape": [4, 64], "data_offsets": [0, 512]}},
    {
        "__metadata__": {"model": "m"},
        "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
        "b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [4, 12]},
    },
)


def _reads_back(parse: Callable[[str], object]) -> Callable[[bytes, Path], None]:
    """A text whose own way of saying it must mean the same."""

    def run(data: bytes, folder: Path) -> None:
        meant = parse(shown(data))
        said = str(meant)
        if not said.strip():
            return
        try:
            again = parse(said)
        except UserError as error:
            raise FaultError(f"its own text is refused: {said!r}: {error.message}") from error
        if str(again) != said:
            raise FaultError(f"{said!r} reads back as {again!s}")

    return run


@cache
def _pass_types() -> dict[str, Any]:
    return {name: entry.load() for name, entry in PASSES.items()}


def _options(data: bytes, folder: Path) -> None:
    build_pass(_pass_types()["rl-explore"], parse_flag("rl-explore", shown(data)))


def _pipeline(data: bytes, folder: Path) -> None:
    for request in parse_pipeline(shown(data), tuple(PASSES)):
        if request.name in PASSES:
            build_pass(_pass_types()[request.name], request)


def _learner(data: bytes, folder: Path) -> None:
    Request(learner=shown(data)).check()


def _request(draw: random.Random) -> bytes:
    """Values of options as Python has them: what a caller of the library may give."""
    values: dict[str, Any] = {
        "evaluations": 16, "seed": 1, "power_w": 51.0, "area_mm2": 858.0, "dies": 2,
        "tokens_per_s": 10.0, "clock_hz": 1e9, "temperature_c": 85.0, "kv_window": 16,
        "kv_page": 4, "node": "3nm", "mode": "low-power", "policy": "none",
        "weights": [0.4, 0.4, 0.2], "strategy": "random",
    }  # fmt: skip
    kept = {name: values[name] for name in draw.sample(sorted(values), draw.randint(1, 5))}
    return json.dumps(changed_document(kept, draw)).encode()


def _api(data: bytes, folder: Path) -> None:
    values = json.loads(data)
    if not isinstance(values, dict) or set(values) - set(Request.__dataclass_fields__):
        raise UserError("no options")
    typed = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    if any(not _fits(typed[name], Request.__dataclass_fields__[name].type) for name in typed):
        raise UserError("another type than the field's")  # a type checker's to find
    request = Request(**typed)
    request.check()
    request.resolved()


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value has the type that a field says."""
    said = str(kind)
    if value is None:
        return "None" in said
    if isinstance(value, tuple):
        wanted = float if "float" in said else str if "str" in said else int
        return "tuple" in said and all(type(v) in (wanted, int) for v in value)
    said = re.sub(r"tuple\[[^\]]*\]", "", said)
    names = {bool: "bool", int: "int", float: "float", str: "str"}
    return names.get(type(value), "?") in said.replace("Literal", "str") or (
        type(value) is int and "float" in said
    )


def _tech(data: bytes, folder: Path) -> None:
    path = folder / "t.toml"
    path.write_bytes(data)
    load_constants("5nm", str(path)).technology()


def _chips(data: bytes, folder: Path) -> None:
    path = folder / "chips.toml"
    path.write_bytes(data)
    read_chips(path)


def _liberty(data: bytes, folder: Path) -> None:
    written = calibrate(shown(data), "c.lib", "5nm", None)
    path = folder / "written.toml"
    path.write_text(written, encoding="utf-8")
    try:
        load_constants("5nm", str(path)).technology()
    except UserError as error:
        raise FaultError(f"what it writes is refused: {error.render()}") from error


def _config(data: bytes, folder: Path) -> None:
    path = folder / "config.json"
    path.write_bytes(data)
    find_recipe(ImportSpec(str(path), layers=1 if len(data) % 2 else None))


def _model(data: bytes, folder: Path) -> None:
    name = shown(data)
    if ":" in name:
        split(name)
    else:
        find_recipe(ImportSpec(name))


def _json_text(documents: tuple[dict[str, Any], ...]) -> Callable[[random.Random], bytes]:
    """Documents changed as such, and their text changed."""
    pool = tuple(json.dumps(document, indent=1) for document in documents)

    def make(draw: random.Random) -> bytes:
        if draw.random() < 0.4:
            return changed(draw.choice(pool), pool, draw).encode("utf-8", "surrogatepass")
        return json.dumps(changed_document(draw.choice(documents), draw)).encode()

    return make


def _header(draw: random.Random) -> bytes:
    header = _json_text(_HEADERS)(draw)
    file = struct.pack("<Q", len(header)) + header + bytes(512)
    return changed_bytes(file, draw) if draw.random() < 0.3 else file


def _tensors(data: bytes, folder: Path) -> None:
    path = folder / "t.safetensors"
    path.write_bytes(data)
    file = TensorFile(path)
    for name in file:
        file[name].sum(dtype=np.float64)


@cache
def gguf_file() -> bytes:
    """A GGUF file of a llama of one layer."""
    from gguf import GGUFWriter

    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.gguf"
        writer = GGUFWriter(path, "llama")
        for add, value in (
            (writer.add_block_count, 1), (writer.add_context_length, 64),
            (writer.add_embedding_length, 32), (writer.add_feed_forward_length, 32),
            (writer.add_head_count, 2), (writer.add_head_count_kv, 1),
            (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_rope_freq_base, 1e4),
            (writer.add_token_list, ["a", "b", "c", "d"]),
        ):  # fmt: skip
            add(value)  # pyright: ignore[reportArgumentType]
        shapes = {"token_embd": (4, 32), "output_norm": (32,), "blk.0.attn_norm": (32,),
                  "blk.0.attn_q": (32, 32), "blk.0.attn_k": (16, 32)}  # fmt: skip
        for name, shape in shapes.items():
            writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def _gguf(data: bytes, folder: Path) -> None:
    path = folder / "m.gguf"
    path.write_bytes(data)
    checkpoint = GgufCheckpoint(path)
    checkpoint.note()
    for name in checkpoint.shapes:
        checkpoint.tensor(name)


def _files(pattern: str, cut: str = "") -> Callable[[], tuple[str, ...]]:
    """Texts of files, cut before each of ``cut``."""

    @cache
    def read() -> tuple[str, ...]:
        found: list[str] = []
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            found += [cut + p for p in text.split(cut)[1:]] if cut else [text]
        return tuple(found)

    return read


def _plain(seeds: tuple[str, ...]) -> Callable[[random.Random], bytes]:
    return texts(lambda: seeds)


@cache
def _cells() -> tuple[str, ...]:
    """A library cut to its head and a few cells: what is long takes long."""
    text = (ROOT / "examples/cells.lib").read_text(encoding="utf-8")
    head, *cells = text.split("\n  cell")
    return (
        text,
        *("\n  cell".join([head, *cells[i : i + 2]]) + "\n}\n" for i in range(len(cells))),
    )


READERS = {
    "goal": Target(_plain(GOALS), _reads_back(parse_goal), 200),
    "constraints": Target(_plain(CONSTRAINTS), _reads_back(parse_constraints), 160),
    "options": Target(_plain(OPTIONS), _options, 120),
    "pipeline": Target(_plain(PIPELINES), _pipeline, 100),
    "learner": Target(_plain(("experts=1 mpc=false batch=64 gamma=0.9",)), _learner, 40),
    "api": Target(_request, _api, 80),
    "tech": Target(texts(_files("examples/*.toml")), _tech, 25),
    "chips": Target(texts(_files("asic_compiler/ppa/chips/*.toml", "[[chip]]")), _chips, 25),
    "liberty": Target(texts(_cells), _liberty, 4),
    "safetensors": Target(_header, _tensors, 50),
    "config": Target(_json_text(CONFIGURATIONS), _config, 60),
    "model-name": Target(_plain(MODELS), _model, 40),
    "gguf": Target(lambda draw: changed_bytes(gguf_file(), draw), _gguf, 50),
}
