"""Hugging Face configurations: reading, checking, and cutting to what is imported."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.files import read_regular, regular_size
from asic_compiler.frontends.models.catalogue import NAMED_MODELS, Config, named_model
from asic_compiler.frontends.models.families import (
    LANGUAGE_FAMILIES,
    TEXT_OF,
    THEIR_TEXT_TYPES,
    VISION_LANGUAGE_TYPES,
    Family,
)
from asic_compiler.frontends.models.fields import check_fields, check_types
from asic_compiler.frontends.models.json_places import KeyPath, key_places
from asic_compiler.frontends.models.reading import Reading
from asic_compiler.frontends.spec import DEFAULT_CONTEXT, ElementType, ImportSpec

_MOST_BYTES = 10_000_000
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
    context: int
    """Slots of the cache, or tokens of a prefill."""
    before_names: str = ""
    """What the published checkpoint puts before the names of the model's weights."""
    notes: tuple[str, ...] = ()
    """What the user should know of how the model was read."""

    @property
    def has_vision(self) -> bool:
        """Whether the model has a vision tower beside its language model."""
        return self.config["model_type"] in VISION_LANGUAGE_TYPES

    @property
    def family(self) -> Family:
        """What is known of the language model."""
        kind = self.sub_config("text").get("model_type", "llama")
        return LANGUAGE_FAMILIES[kind]

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
    context = spec.context or DEFAULT_CONTEXT
    reading = Reading(shown, context, places)
    check_types(config, reading)
    _check(config, shown)
    kind = str(config["model_type"])
    cut = TEXT_OF.get(kind)
    if cut is not None and spec.part == "vision":
        notes = ["--part text, the default, imports its language model"]
        raise UserError(f"--part vision: the vision tower of '{kind}' is not imported", notes=notes)
    has_parts = kind in VISION_LANGUAGE_TYPES or cut is not None
    context, said = _context(config, spec)
    told = (*told, *said)
    reading = replace(reading, context=context)
    told += check_fields(config, reading, ((spec.part or "text"),) if has_parts else ())
    own_dtype = _take_dtypes(config)
    before = ""
    if cut is not None:
        tied = config.get("tie_word_embeddings")
        config = {**config["text_config"], "model_type": cut[0]}
        config["tie_word_embeddings"] = True if tied is None else tied
        before = cut[1]
    dtype = spec.dtype or own_dtype or "f16"
    recipe = Recipe(name, config, dtype, checkpoint, context, before, told)
    _truncate(recipe, spec)
    return recipe


def _context(config: Config, spec: ImportSpec) -> tuple[int, tuple[str, ...]]:
    """Tokens of context, and a note where the model decides it."""
    family = LANGUAGE_FAMILIES.get(str(config["model_type"]))
    learned: Any = None if family is None else config.get(family.positions or "")
    if spec.context is not None or type(learned) is not int or learned >= DEFAULT_CONTEXT:
        return spec.context or DEFAULT_CONTEXT, ()
    return learned, (f"--context {learned}: the model has learned no further positions",)


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
        if regular_size(file) > _MOST_BYTES:
            raise UserError(f"'{file}' is no configuration: longer than {_MOST_BYTES:,} bytes")
        text = read_regular(file, _MOST_BYTES).decode("utf-8")
        data: Any = json.loads(text)
    except json.JSONDecodeError as error:
        where = SourceLocation(str(file), error.lineno, error.colno)
        raise UserError(f"not valid JSON: {error.msg}", where) from None
    except (OSError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UserError(f"cannot read '{file}': {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"'{file}' is not a Hugging Face configuration: no JSON object")
    return cast(Config, data), key_places(text, str(file))


def _check(config: Config, shown: str) -> None:
    known = (*LANGUAGE_FAMILIES, *TEXT_OF, *VISION_LANGUAGE_TYPES)
    model_type = config.get("model_type")
    if model_type is None:
        notes = [f"supported: {', '.join(known)}"]
        raise UserError(f"'{shown}' has no key 'model_type'", notes=notes)
    if model_type not in known:
        # No other type is proposed: however alike the names, it is another model.
        notes = [f"supported: {', '.join(known)}"]
        notes.append("any other model can be given as package.module:factory")
        raise UserError(f"'{shown}': unsupported model_type '{model_type}'", notes=notes)
    missing: list[str] = []
    if model_type in LANGUAGE_FAMILIES:
        missing = [key for key in LANGUAGE_FAMILIES[model_type].needed if config.get(key) is None]
    else:
        text_types = (TEXT_OF[model_type][0],) if model_type in TEXT_OF else THEIR_TEXT_TYPES
        text: Config = config.get("text_config") or {}
        text_type: Any = text.get("model_type")
        text_type = text_types[0] if text_type is None else text_type
        if text_type not in text_types:
            notes = [f"supported: {', '.join(text_types)}"]
            message = f"'{shown}': unsupported text_config.model_type '{text_type}'"
            raise UserError(message, notes=notes)
        needed = {"text_config": LANGUAGE_FAMILIES[text_types[0]].needed}
        if model_type not in TEXT_OF:
            needed["vision_config"] = _VISION_KEYS
        for part, keys in needed.items():
            sub: Config = config.get(part) or {}
            missing += [f"{part}.{key}" for key in keys if sub.get(key) is None]
        if model_type not in TEXT_OF and "scale_factor" not in config:
            missing.append("scale_factor")
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
    key = recipe.family.layers if part == "text" else "num_hidden_layers"
    layers = sub.get(key)
    if layers is not None and type(layers) is not int:
        raise UserError(f"'{recipe.name}': '{key}' is {layers!r}, no number of layers")
    if layers is not None and spec.layers > layers:
        raise UserError(f"--layers {spec.layers}: the model has only {layers} layers")
    sub[key] = spec.layers
    # One entry a layer; transformers refuses a list that is longer than the model.
    for name in ("layer_types", "no_rope_layers"):
        if isinstance(sub.get(name), list):
            sub[name] = sub[name][: spec.layers]
