"""Images of weight memories: one file a tile, each with its checksum, for one program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.diagnostics import UserError
from asic_compiler.files import read_regular, write_atomic
from asic_compiler.program.elaborate import Elaboration, elaborate
from asic_compiler.program.parts import Place
from asic_compiler.simulate.packed import Bytes
from asic_compiler.simulate.wmem import Constants, Slices, build_image, image_bytes, image_digest
from asic_compiler.tensors.elements import Array

INDEX = "index.json"
SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder that `write_images` wrote."""

    path: Path


ImageSource: TypeAlias = ImageFolder


def write_images(
    module: ModuleOp, weights: Mapping[str, Array], folder: Path, model: str = ""
) -> None:
    """Writes the image of every tile, and last the index: a folder without one is not complete.

    Args:
        module: The programs.
        weights: Constants by parameter name.
        folder: Made if it does not exist.
        model: Name of the model, for messages.

    Raises:
        UserError: A weight is missing or of another shape, or a file cannot be written.
    """
    elaboration = elaborate(module)
    slices, constants = Slices(elaboration), Constants(weights)
    tiles: dict[str, Any] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX).unlink(missing_ok=True)
        for program in elaboration.programs:
            for place in program.tiles:
                image = build_image(slices.offsets(program, place), constants)
                name = f"x{place[0]}y{place[1]}.bin"
                write_atomic(folder / name, image.tobytes())
                tiles[f"{place[0]},{place[1]}"] = {
                    "file": name,
                    "bytes": len(image),
                    "sha256": hashlib.sha256(image.tobytes()).hexdigest(),
                }
        index = {
            "schema_version": SCHEMA_VERSION,
            "model": model,
            "program": image_digest(elaboration),
            "tiles": tiles,
        }
        write_atomic(folder / INDEX, json.dumps(index, indent=1) + "\n")
    except OSError as error:
        what = error.filename or folder
        raise UserError(f"cannot write images: '{what}': {error.strerror}") from error


def image_source(
    elaboration: Elaboration, slices: Slices, weights: Mapping[str, Array] | ImageSource
) -> dict[Place, Bytes]:
    """The image of every tile, made from constants or read from a folder.

    Raises:
        UserError: A constant is missing; or an image is missing, truncated, altered, or of
            another program.
    """
    if isinstance(weights, ImageFolder):
        return _read(weights.path, elaboration, slices)
    constants = Constants(weights)
    return {
        place: build_image(slices.offsets(program, place), constants)
        for program in elaboration.programs
        for place in program.tiles
    }


def _read(folder: Path, elaboration: Elaboration, slices: Slices) -> dict[Place, Bytes]:
    index = _index(folder)
    if index.get("program") != image_digest(elaboration):
        model = index.get("model") or "unknown"
        raise UserError(
            f"the images in '{folder}' are of another program",
            notes=[f"their model is '{model}'; write them again from this program's weights"],
        )
    found: dict[Place, Bytes] = {}
    for program in elaboration.programs:
        for place in program.tiles:
            size = image_bytes(slices.offsets(program, place))
            found[place] = _image(folder, index["tiles"], place, size)
    return found


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    again = ["write the images again: give --weights beside --images"]
    try:
        index: Any = json.loads(read_regular(path).decode("utf-8"))
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror}", notes=again) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"'{path}' is not JSON: {error}", notes=again) from error
    if not isinstance(index, dict) or not isinstance(cast(Any, index).get("tiles"), dict):
        raise UserError(f"'{path}' is not an index of images", notes=again)
    index = cast("dict[str, Any]", index)
    if index.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"'{path}' has schema version {index.get('schema_version')}, not {SCHEMA_VERSION}",
            notes=again,
        )
    return index


def _image(folder: Path, tiles: Mapping[str, Any], place: Place, size: int) -> Bytes:
    entry: Any = tiles.get(f"{place[0]},{place[1]}")
    where = f"the weight memory of tile ({place[0]}, {place[1]})"
    if not isinstance(entry, dict) or not isinstance(cast(Any, entry).get("file"), str):
        raise UserError(f"no image for {where} in '{folder}'")
    entry = cast("dict[str, Any]", entry)
    path = folder / Path(entry["file"]).name
    try:
        data = read_regular(path, size)
    except OSError as error:
        raise UserError(f"no image for {where}: cannot read '{path}': {error.strerror}") from error
    if len(data) != size:
        raise UserError(f"'{path}', {where}, has {len(data)} bytes and should have {size}")
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise UserError(f"'{path}', {where}, does not have the checksum that the index says")
    return np.frombuffer(data, dtype=np.uint8)
