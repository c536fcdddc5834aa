"""What a factory may tell of its program: phase, context, roles of arguments and results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from asic_compiler.diagnostics import UserError
from asic_compiler.frontends.spec import ArgumentInfo, Role

Phase: TypeAlias = Literal["decode", "prefill", "inference"]

_KEYS = ("phase", "context", "arguments", "results")
_CACHES = ("kv_key", "kv_value")
_FLOATS = re.compile(r"[x<]b?f\d\w*>$")
USAGE = (
    'it is a dictionary such as {"phase": "decode", "context": 128, "arguments": [...], '
    '"results": [...]}',
    f"a role is one of {', '.join(get_args(Role))}; of a cache it is (role, layer)",
    "roles are a list in the order of the tensors, or a dictionary by name",
)


@dataclass(frozen=True, slots=True)
class Roles:
    """Roles of arguments or results: of all, in their order, or of some, by name."""

    named: dict[str, tuple[Role, int | None]] | None
    listed: tuple[tuple[Role, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What was told; nothing of it is guessed."""

    phase: Phase = "inference"
    context: int = 0
    arguments: Roles = Roles({})
    results: Roles = Roles({})


def read(given: Any, shown: str) -> Description:
    """Reads a factory's description.

    Args:
        given: What the factory gave.
        shown: The factory, for messages.

    Raises:
        UserError: It is no dictionary, or tells of what is not known.
    """
    if not isinstance(given, dict):
        raise _refused(shown, f"is a {type(given).__name__}, not a dictionary")
    fields = cast("dict[Any, Any]", given)
    for key in fields:
        if key not in _KEYS:
            raise _refused(shown, f"has a key '{key}'; known are {', '.join(_KEYS)}")
    phase = fields.get("phase", "inference")
    if phase not in get_args(Phase):
        raise _refused(shown, f"has the phase '{phase}'; known are {', '.join(get_args(Phase))}")
    context: Any = fields.get("context", 0)
    if type(context) is not int or context < 0 or (context == 0) != (phase == "inference"):
        what = "no context, or 0" if phase == "inference" else "a context of at least one token"
        raise _refused(shown, f"has the context {context!r}; '{phase}' has {what}")
    return Description(
        phase, context, _roles(fields, "arguments", shown), _roles(fields, "results", shown)
    )


def arguments(
    described: Description, names: tuple[str, ...], types: tuple[str, ...], shown: str
) -> tuple[ArgumentInfo, ...]:
    """The arguments of a program.

    Args:
        described: What the factory told.
        names: Of the tensors that ``forward`` takes.
        types: Of them, in MLIR's words.
        shown: The factory, for messages.

    Raises:
        UserError: Roles do not fit the arguments.
    """
    infos = _infos(described.arguments, names, "argument", shown)
    for info, type_ in zip(infos, types, strict=True):
        if info.role in ("token_ids", "position") and _FLOATS.search(type_):
            raise _refused(shown, f"calls '{info.name}' {info.role}, which is a {type_}")
    caches = [t for i, t in zip(infos, types, strict=True) if i.role in _CACHES]
    slots = f"x{described.context}x"
    if described.phase == "decode" and caches and not any(slots in type_ for type_ in caches):
        raise _refused(
            shown,
            f"has the context {described.context}, and no cache has as many slots: {caches[0]}",
        )
    return infos


def results(
    described: Description,
    taken: tuple[ArgumentInfo, ...],
    taken_types: tuple[str, ...],
    types: tuple[str, ...],
    shown: str,
) -> tuple[ArgumentInfo, ...]:
    """The results of a program; each cache of a decode step is returned as it was taken.

    Args:
        described: What the factory told.
        taken: The arguments.
        taken_types: Their types.
        types: Of the results.
        shown: The factory, for messages.

    Raises:
        UserError: Roles do not fit the results, or a cache goes in and does not come out.
    """
    told = described.results
    names = tuple(f"output_{index}" for index in range(len(types)))
    if told.named and len(told.named) == len(types):  # all of them: these are their names
        names = tuple(told.named)
    infos = _infos(told, names, "result", shown)
    made = {(i.role, i.layer): t for i, t in zip(infos, types, strict=True) if i.role in _CACHES}
    for info, type_ in zip(taken, taken_types, strict=True):
        if described.phase != "decode" or info.role not in _CACHES:
            continue
        found = made.get((info.role, info.layer))
        if found != type_:
            returned = "no result is" if found is None else f"the result is a {found}"
            raise _refused(
                shown,
                f"calls '{info.name}' the {info.role} of layer {info.layer}, a {type_}; {returned}",
            )
    return infos


def _roles(fields: dict[Any, Any], key: str, shown: str) -> Roles:
    given: Any = fields.get(key)
    if given is None:
        return Roles({})
    if isinstance(given, dict):
        named = cast("dict[Any, Any]", given)
        return Roles({str(name): _role(value, key, shown) for name, value in named.items()})
    if isinstance(given, (list, tuple)):
        listed = cast("list[Any]", given)
        return Roles(None, tuple(_role(value, key, shown) for value in listed))
    raise _refused(shown, f"has {key} that are a {type(given).__name__}")


def _role(given: Any, key: str, shown: str) -> tuple[Role, int | None]:
    role: Any = given
    layer: Any = None
    if isinstance(given, (list, tuple)):
        parts = cast("list[Any]", given)
        role, layer = parts if len(parts) == 2 else (None, None)
    if role not in get_args(Role):
        raise _refused(shown, f"has the role {given!r} among its {key}")
    is_layer = type(layer) is int and layer >= 0
    if (role in _CACHES) != is_layer or (layer is not None and not is_layer):
        of_cache = f"is of a layer: ('{role}', 0)" if role in _CACHES else "has no layer"
        raise _refused(shown, f"has the role {given!r} among its {key}: '{role}' {of_cache}")
    return role, layer


def _infos(roles: Roles, names: tuple[str, ...], what: str, shown: str) -> tuple[ArgumentInfo, ...]:
    if roles.named is None:
        if len(roles.listed) != len(names):
            count = f"{len(names)} {what}{'' if len(names) == 1 else 's'}"
            raise _refused(
                shown,
                f"has {len(roles.listed)} roles for {count}: {', '.join(names)}",
            )
        told = dict(zip(names, roles.listed, strict=True))
    else:
        told = roles.named
        for name in told:
            if name not in names:
                raise _refused(shown, f"has no {what} '{name}'; there are {', '.join(names)}")
    infos = tuple(ArgumentInfo(name, *told.get(name, ("activation", None))) for name in names)
    caches = [(info.role, info.layer) for info in infos if info.role in _CACHES]
    for cache in caches:
        if caches.count(cache) > 1:
            raise _refused(shown, f"has two {what}s that are the {cache[0]} of layer {cache[1]}")
    return infos


def _refused(shown: str, why: str) -> UserError:
    return UserError(f"the description of '{shown}' {why}", notes=USAGE)
