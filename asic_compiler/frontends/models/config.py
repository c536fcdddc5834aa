"""Hugging Face configurations: reading, checking, and cutting to what is imported."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.frontends.models.catalogue import NAMED_MODELS, Config, named_model
from asic_compiler.frontends.models.fields import Reading, check_fields
from asic_compiler.frontends.models.json_places import KeyPath, key_places
from asic_compiler.frontends.spec import DEFAULT_CONTEXT, ElementType, ImportSpec

# Each of these is imported and compared with PyTorch by a test.
LANGUAGE_MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
VISION_LANGUAGE_MODEL_TYPES = ("idefics3", "smolvlm")

_MOST_BYTES = 10_000_000
_TEXT_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)
# Published SmolVLM configurations leave the rest of the vision tower to its defaults.
_VISION_KEYS = ("hidden_size", "image_size", "patch_size")
_CONFIG_DTYPES: dict[str, ElementType] = {"float16": "f16", "bfloat16": "bf16", "float32": "f32"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A configuration ready to be built: checked, truncated, and without its element type."""

    name: str
    config: Config
    dtype: ElementType
    checkpoint: Path | None
    """Folder of safetensors files, or GGUF file, to check names and shapes against."""
    notes: tuple[str, ...] = ()
    """What the user should know of how the model was read."""

    @property
    def has_vision(self) -> bool:
        """Whether the model has a vision tower beside its language model."""
        return self.config["model_type"] in VISION_LANGUAGE_MODEL_TYPES

    def sub_config(self, part: str) -> Config:
        """The dictionary that holds the dimensions of ``text`` or ``vision``."""
        return self.config[f"{part}_config"] if self.has_vision else self.config


def find_recipe(spec: ImportSpec) -> Recipe:
    """Finds the configuration of a named model, a ``config.json`` or a checkpoint folder.

    Raises:
        UserError: Nothing of that name, an unreadable or unsupported configuration, missing keys,
            or an option out of range.
    """
    path = Path(spec.model)
    checkpoint = None
    told: tuple[str, ...] = ()
    gguf = _gguf_file(path)
    places: dict[KeyPath, SourceLocation] = {}
    if spec.model in NAMED_MODELS:
        name, config, shown = spec.model, copy.deepcopy(named_model(spec.model).config), spec.model
    elif gguf is not None:
        from asic_compiler.frontends.gguf.tensors import GgufCheckpoint

        stored = GgufCheckpoint(gguf)
        name = gguf.stem if gguf == path else path.resolve().name
        config, shown, checkpoint = stored.config, str(gguf), gguf
        told = (stored.note(),)
    elif path.is_dir():
        file = path / "config.json"
        if not file.is_file():
            raise UserError(
                f"no config.json in '{path}'",
                notes=["a checkpoint folder holds config.json and *.safetensors files"],
            )
        config, places = _read(file)
        name, shown, checkpoint = path.resolve().name, str(file), path
    elif path.is_file():
        config, places = _read(path)
        name, shown = path.resolve().parent.name, str(path)
        name = name if path.name == "config.json" else path.stem
    elif path.suffix in (".json", ".gguf") or "/" in spec.model:
        notes = ["models are never downloaded: give a local config.json or checkpoint folder"]
        raise UserError(f"no such file or folder: '{spec.model}'", notes=notes)
    else:
        named_model(spec.model)
        raise AssertionError("named_model raises on unknown names")
    _check(config, shown)
    parts = ((spec.part or "text"),) if config["model_type"] in VISION_LANGUAGE_MODEL_TYPES else ()
    context = spec.context or DEFAULT_CONTEXT
    check_fields(config, Reading(shown, context, places), parts)
    own_dtype = _take_dtypes(config)
    recipe = Recipe(name, config, spec.dtype or own_dtype or "f16", checkpoint, told)
    _truncate(recipe, spec)
    return recipe


def _gguf_file(path: Path) -> Path | None:
    """The GGUF file that is meant by a file or a folder; None if there is none.

    Raises:
        UserError: A folder holds several, and no other checkpoint.
    """
    if path.suffix == ".gguf":
        return path if path.is_file() else None
    if not path.is_dir() or any(path.glob("*.safetensors")):
        return None
    files = sorted(path.glob("*.gguf"))
    if len(files) > 1:
        notes = [f"give one of them: {', '.join(file.name for file in files[:4])}"]
        raise UserError(f"'{path}' holds {len(files)} GGUF files", notes=notes)
    return files[0] if files else None


def _read(file: Path) -> tuple[Config, dict[KeyPath, SourceLocation]]:
    """A configuration, and where its keys stand."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UserError(f"'{file}' is no configuration: longer than {_MOST_BYTES:,} bytes")
        text = file.read_text(encoding="utf-8")
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        where = SourceLocation(str(file), error.lineno, error.colno)
        raise UserError(f"not valid JSON: {error.msg}", where) from None
    except (OSError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UserError(f"cannot read '{file}': {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"'{file}' is not a Hugging Face configuration: no JSON object")
    return cast(Config, data), key_places(text, str(file))


def _word(text: str) -> str:
    """Letters and digits alone, in lower case."""
    return "".join(c for c in text.lower() if c.isalnum())


def _check(config: Config, shown: str) -> None:
    known = (*LANGUAGE_MODEL_TYPES, *VISION_LANGUAGE_MODEL_TYPES)
    model_type = config.get("model_type")
    if model_type is None:
        notes = [f"supported: {', '.join(known)}"]
        raise UserError(f"'{shown}' has no key 'model_type'", notes=notes)
    if model_type not in known:
        # Types differ by a letter (mistral, mixtral): only the same word can be meant.
        same = [name for name in known if _word(name) == _word(str(model_type))]
        notes = [f"did you mean {name}?" for name in same]
        notes.append(f"supported: {', '.join(known)}")
        notes.append("any other model can be given as package.module:factory")
        raise UserError(f"'{shown}': unsupported model_type '{model_type}'", notes=notes)
    missing: list[str] = []
    if model_type in LANGUAGE_MODEL_TYPES:
        missing = [key for key in _TEXT_KEYS if key not in config]
    else:
        for part, keys in (("text_config", _TEXT_KEYS), ("vision_config", _VISION_KEYS)):
            sub: Config = config.get(part) or {}
            missing += [f"{part}.{key}" for key in keys if key not in sub]
        missing += ["scale_factor"] if "scale_factor" not in config else []
        text_type = config.get("text_config", {}).get("model_type", "llama")
        if text_type not in LANGUAGE_MODEL_TYPES:
            notes = [f"supported: {', '.join(LANGUAGE_MODEL_TYPES)}"]
            message = f"'{shown}': unsupported text_config.model_type '{text_type}'"
            raise UserError(message, notes=notes)
    if missing:
        notes = ["defaults are not guessed: they would describe another model"]
        raise UserError(f"'{shown}': missing {', '.join(missing)}", notes=notes)


def _take_dtypes(config: Config) -> ElementType | None:
    """Removes the configuration's element types; the outermost one is returned."""
    own: Any = None
    for key in ("torch_dtype", "dtype"):
        own = config.pop(key, None) or own
    for part in ("text_config", "vision_config"):
        if isinstance(config.get(part), dict):
            inner = _take_dtypes(config[part])
            if own is None and inner is not None:
                return inner
    return _CONFIG_DTYPES.get(str(own)) if own is not None else None


def _truncate(recipe: Recipe, spec: ImportSpec) -> None:
    if spec.layers is None:
        return
    part = (spec.part or "text") if recipe.has_vision else "text"
    sub = recipe.sub_config(part)
    layers = sub.get("num_hidden_layers")
    if layers is not None and spec.layers > layers:
        raise UserError(f"--layers {spec.layers}: the model has only {layers} layers")
    sub["num_hidden_layers"] = spec.layers
    # One entry a layer; transformers refuses a list that is longer than the model.
    if isinstance(sub.get("layer_types"), list):
        sub["layer_types"] = sub["layer_types"][: spec.layers]
