"""Fields of a configuration that tell of rotary positions."""

from __future__ import annotations

from typing import Any, cast

from asic_compiler.frontends.models.catalogue import Config
from asic_compiler.frontends.models.families import LAYER_TYPES, Family
from asic_compiler.frontends.models.json_places import KeyPath
from asic_compiler.frontends.models.reading import Reading, not_supported, short

_ROPE_TEXT = """
rope_type type rope_theta factor low_freq_factor high_freq_factor attention_factor
original_max_position_embeddings beta_fast beta_slow mscale mscale_all_dim truncate
finetuned partial_rotary_factor short_factor long_factor
"""
_FIELDS = frozenset(_ROPE_TEXT.split())
_LONG = ("short_factor", "long_factor")


def check_rope(config: Config, reading: Reading, path: KeyPath, family: Family) -> None:
    """Rotary positions are told of once, and by fields that are read.

    Raises:
        UserError: They are not; the location is the key's.
    """
    given = [name for name in ("rope_scaling", "rope_parameters") if config.get(name) is not None]
    if len(given) > 1:
        raise reading.refuse(
            (*path, "rope_scaling"),
            "stands beside 'rope_parameters', of which one would not be read",
            "remove one of them",
        )
    for name in given:
        rope: Any = config[name]
        if name == "rope_scaling" or not family.rope_by_kind or not isinstance(rope, dict):
            _check_one(rope, reading, (*path, name), family)
            _check_twice(config, rope, reading, path, ("rope_theta", "rotary_emb_base"))
            continue
        for kind, own in cast(Config, rope).items():
            if kind not in LAYER_TYPES:
                raise reading.refuse((*path, name, kind), "is no kind of layer")
            _check_one(own, reading, (*path, name, kind), family)
            top = "rope_theta" if kind == "full_attention" else "rope_local_base_freq"
            _check_twice(config, own, reading, path, (top,))


def _check_twice(
    config: Config, rope: Config, reading: Reading, path: KeyPath, bases: tuple[str, ...]
) -> None:
    """What stands outside of the rotary positions must not contradict what stands inside."""
    pairs = [(name, "rope_theta") for name in bases]
    pairs += [(name, "partial_rotary_factor") for name in ("partial_rotary_factor", "rotary_pct")]
    pairs.append(("original_max_position_embeddings", "original_max_position_embeddings"))
    for outside, inside in pairs:
        own, other = config.get(outside), rope.get(inside)
        if own is not None and other is not None and own != other:
            raise reading.refuse(
                (*path, outside),
                f"is {short(own)}, and {short(other)} among the rotary positions",
            )


def _check_one(rope: Any, reading: Reading, path: KeyPath, family: Family) -> None:
    if not isinstance(rope, dict):
        raise reading.refuse(path, "is no object")
    given = cast(Config, rope)
    for name, value in given.items():
        known = name in _FIELDS and (name != "truncate" or not family.rope_by_kind)
        if not known or (name in _LONG and "longrope" not in family.rope_types):
            raise reading.refuse((*path, name), "is not a field that is known")
        if name in ("rope_type", "type") and value not in family.rope_types:
            raise reading.refuse(
                (*path, name),
                f"'{short(value)}' is not supported",
                f"supported: {', '.join(family.rope_types)}",
            )
        if name == "partial_rotary_factor" and not family.partial and value not in (None, 1, 1.0):
            raise not_supported(reading, (*path, name), value)
