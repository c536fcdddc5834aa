"""A published chip described by its public microarchitecture, read from a TOML file."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from asic_compiler.diagnostics import SourceLocation, UserError
from asic_compiler.files import read_regular
from asic_compiler.technology.document import parse_document

POWER_KINDS: tuple[str, ...] = ("tdp", "max", "busy", "chip", "measured")
DRAM_KINDS: tuple[str, ...] = ("hbm2", "hbm3", "gddr6", "lpddr", "ddr3")


@dataclass(frozen=True, slots=True)
class Unit:
    """Equal multiply-accumulate units of one core."""

    format: str
    """What the multiplier takes: ``fp16``, ``bf16``, ``fp8``, ``int8``, ``fp32``, ..."""
    count: float
    """Multiply-accumulates a cycle in ``format``."""
    rates: dict[str, float] = field(default_factory=dict[str, float])
    """Multiply-accumulates a cycle in other formats that the same multipliers run."""
    reuse: float = 1.0
    """Multiply-accumulates that share one operand read from the local memory (array dimension)."""
    dot: float = 1.0
    """Products that are added up before one accumulation."""
    vector: bool = False
    """Lanes of a vector unit, with the lane's control, instead of a matrix unit."""
    used: bool = True
    """Whether it works in the case that the power is stated for."""


@dataclass(frozen=True, slots=True)
class Core:
    """Equal cores, processing elements or tiles."""

    name: str
    count: float
    """Enabled cores of the whole chip."""
    on_die: float = 0.0
    """Cores on the die, spares and disabled ones included; 0 is ``count``."""
    issue: float = 0.0
    """Instructions fetched and decoded a cycle; 0 is a fixed-function unit without a program."""
    ipc: float = -1.0
    """Instructions a cycle in the case that the power is stated for; -1 is ``issue``."""
    stations: float = 1.0
    """Reservation stations, or warps and threads that a scheduler chooses from."""
    pipes: float = 1.0
    """Scalar dispatch ports."""
    registers_kib: float = 0.0
    """Register files, as latches when under 16 KiB, else as SRAM."""
    sram_kib: float = 0.0
    """Caches and scratchpads of the core."""
    bank_kib: float = 32.0
    """Size of a macro of ``sram_kib``."""
    ports: float = 0.0
    """Ports of the core's router; 0 is none."""
    flit_bits: float = 0.0
    units: tuple[Unit, ...] = ()

    @property
    def built(self) -> float:
        """Cores that take area."""
        return self.on_die or self.count


@dataclass(frozen=True, slots=True)
class Memory:
    """SRAM shared by the cores."""

    mib: float
    bank_kib: float = 256.0
    gb_s: float = 0.0
    """Published bandwidth; 0 where none is: then only what external memory delivers is counted."""


@dataclass(frozen=True, slots=True)
class Io:
    """Interfaces on the rim of the die, of the whole chip."""

    hbm_stacks: float = 0.0
    dram_x64: float = 0.0
    """64-bit DDR, LPDDR or (twice a x32) GDDR channels."""
    serdes_lanes: float = 0.0
    """Lanes of PCIe, Ethernet and chip-to-chip links."""
    die_to_die_gb_s: float = 0.0
    """Short-reach links to dies of the same package, one direction."""
    dram_gb_s: float = 0.0
    dram: str = "hbm2"
    """Kind of memory, one of ``DRAM_KINDS``."""
    serdes_gb_s: float = 0.0
    """Bandwidth of all links, one direction."""


@dataclass(frozen=True, slots=True)
class Power:
    """The case that a power is published for."""

    kind: str = "tdp"
    """One of ``POWER_KINDS``; ``power.CASES`` says what each implies."""
    format: str = ""
    """Format that the multipliers run; empty is that of the first used unit."""
    utilisation: float = 0.0
    """Share of cycles in which the multipliers work; 0 is what the kind implies."""
    vdd_v: float = 0.0
    """Supply of the published power, where it is not the chip's."""
    clock_ghz: float = 0.0
    temperature_c: float = 0.0
    gated: bool = True
    """Clocks of idle units are gated."""


@dataclass(frozen=True, slots=True)
class ChipDescription:
    """What is public about a chip's structure; never its area or power."""

    name: str
    node: str
    clock_ghz: float
    source: str
    vdd_v: float = 0.0
    """0 where it is not public: the node's nominal, or what the clock needs where that is more."""
    dies: float = 1.0
    macro: bool = False
    """A block inside a chip, or a wafer: the published area has no pad ring."""
    note: str = ""
    """Why a large error is expected, where a reason is known."""
    core: tuple[Core, ...] = ()
    memory: tuple[Memory, ...] = ()
    io: Io = Io()
    power: Power = Power()


_Fact = TypeVar("_Fact")


def read_descriptions(text: str, where: str) -> tuple[ChipDescription, ...]:
    """The chips of one TOML document: an array of tables ``[[chip]]``.

    Args:
        text: The document.
        where: Its name, for messages.

    Raises:
        UserError: It is not TOML, or a key is missing, unknown or of the wrong kind.
    """
    document = parse_document(text, where)
    tables = document.data.get("chip")
    if not isinstance(tables, list) or set(document.data) != {"chip"}:
        raise UserError(
            "expected an array of tables [[chip]] and nothing else", SourceLocation(where, 1, 1)
        )
    starts = [n for n, line in enumerate(text.splitlines()) if line.strip() == "[[chip]]"]
    entries = cast("list[dict[str, Any]]", tables)
    if len(starts) != len(entries):  # chip = [{...}]: no headers to point at
        starts = [0] * len(entries)
    ends = [*starts[1:], len(text.splitlines())]
    lines = text.splitlines()
    return tuple(
        _Reader(where, first, lines[first : max(last, first + 1)]).chip(entry)
        for entry, first, last in zip(entries, starts, ends, strict=True)
    )


def read_file(path: Path) -> tuple[ChipDescription, ...]:
    """The chips of a file of the user.

    Raises:
        UserError: It cannot be read, or is not a description.
    """
    try:
        text = read_regular(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read '{path}': {error}") from error
    return read_descriptions(text, str(path))


@dataclass(frozen=True)
class _Reader:
    """Turns one table into a chip; errors point at the key's first line within the table."""

    file: str
    first: int
    lines: list[str]

    def chip(self, entry: dict[str, Any]) -> ChipDescription:
        data = dict(entry)
        cores: list[Core] = []
        for core in self._tables(data.pop("core", []), "core"):
            units = self._tables(core.get("units", []), "units")
            made = tuple(self._fact(Unit, unit) for unit in units)
            cores.append(self._fact(Core, core | {"units": made}))
        memories = self._tables(data.pop("memory", []), "memory")
        io, power = (self._tables([data.pop(key, {})], key)[0] for key in ("io", "power"))
        parts = {
            "core": tuple(cores),
            "memory": tuple(self._fact(Memory, memory) for memory in memories),
            "io": self._fact(Io, io),
            "power": self._fact(Power, power),
        }
        chip = self._fact(ChipDescription, data | parts)
        self._one_of("kind", chip.power.kind, POWER_KINDS)
        self._one_of("dram", chip.io.dram, DRAM_KINDS)
        return chip

    def _tables(self, value: Any, key: str) -> list[dict[str, Any]]:
        items = cast("list[Any]", value) if isinstance(value, list) else [None]
        if not all(isinstance(item, dict) for item in items):
            raise self._error(key, f"'{key}' must be tables")
        return cast("list[dict[str, Any]]", items)

    def _one_of(self, key: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise self._error(key, f"unknown {key} '{value}'", f"known: {', '.join(known)}")

    def _fact(self, kind: type[_Fact], data: dict[str, Any]) -> _Fact:
        """One dataclass from one table; numbers must be finite and not negative."""
        known = {f.name: f for f in fields(cast("Any", kind))}
        for key in data:
            if key not in known:
                raise self._error(key, f"unknown key '{key}'", f"known: {', '.join(known)}")
        for key, each in known.items():
            if key not in data:
                if each.default is MISSING and each.default_factory is MISSING:
                    raise self._error("", f"'{key}' is missing in a {kind.__name__.lower()}")
                continue
            value, wanted = data[key], str(each.type)
            least = -1.0 if key == "ipc" else 0.0
            if wanted == "float" and not _is_number(value, least):
                raise self._error(key, f"'{key}' must be a number that is not negative")
            if wanted == "str" and not isinstance(value, str):
                raise self._error(key, f"'{key}' must be text")
            if wanted == "bool" and not isinstance(value, bool):
                raise self._error(key, f"'{key}' must be true or false")
            if wanted.startswith("dict") and not (
                isinstance(value, dict)
                and all(_is_number(v, 0.0) for v in cast("dict[str, Any]", value).values())
            ):
                raise self._error(key, f"'{key}' must map formats to numbers")
        for key in _POSITIVE:
            if key in data and key in known and not data[key] > 0.0:
                raise self._error(key, f"'{key}' must be positive")
        return kind(**data)

    def _error(self, key: str, message: str, *notes: str) -> UserError:
        pattern = re.compile(rf"(?<![\w-]){re.escape(key)}\s*=|^\[\[chip\.{re.escape(key)}")
        for number, line in enumerate(self.lines, self.first + 1):
            match = pattern.search(line) if key else None
            if match is not None:
                return UserError(
                    message, SourceLocation(self.file, number, match.start() + 1), notes
                )
        return UserError(message, SourceLocation(self.file, self.first + 1, 1), notes)


_POSITIVE = ("clock_ghz", "dies", "reuse", "dot", "bank_kib")


def _is_number(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < 1e15
