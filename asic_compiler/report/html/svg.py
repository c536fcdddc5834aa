"""Small plots as inline SVG: lines over a budget, bars, points. Text in, text out, same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS: tuple[str, ...] = ("#2166ac", "#d6604d", "#4d9221", "#762a83", "#b8860b", "#01665e")
"""Of series, in order; dark enough for text on white."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 12.0, 40.0


@dataclass(frozen=True, slots=True)
class Series:
    """One line or cloud of points."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float | None]
    """None breaks the line."""
    steps: bool = False
    """Hold each value until the next."""
    radius: float = 0.0
    """Of points, in pixels, without a line; 0 draws a line."""


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    """Where low and high are drawn, in pixels."""
    logarithmic: bool

    def at(self, value: float) -> float:
        low, high, v = self.low, self.high, value
        if self.logarithmic:
            low, high, v = math.log10(low), math.log10(high), math.log10(v)
        return self.start + (v - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.logarithmic:
            return _log_ticks(self.low, self.high)
        step = _nice((self.high - self.low) / 5.0)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


def plot(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    title: str,
    log_x: bool = False,
    log_y: bool = False,
    size: tuple[float, float] = (620.0, 240.0),
) -> str:
    """Lines and points on common axes, with a legend where there are several.

    Args:
        series: What is drawn; values on a logarithmic axis are positive.
        x_label: Under the horizontal axis, with its unit.
        y_label: Beside the vertical axis, with its unit.
        title: For those who do not see the plot.
        log_x: Logarithmic horizontal axis.
        log_y: Logarithmic vertical axis.
        size: Width and height in pixels.
    """
    width, height = size
    xs = [x for s in series for x in s.xs]
    ys = [y for s in series for y in s.ys if y is not None]
    if not xs or not ys:
        return ""
    legend = 18.0 if len(series) > 1 else 0.0
    x = _axis(xs, _LEFT, width - _RIGHT, log_x, padded=False)
    y = _axis(ys, height - _BOTTOM, _TOP + legend, log_y, padded=True)
    parts = [_open(width, height, title)]
    for tick in y.ticks():
        level = y.at(tick)
        parts.append(_line(_LEFT, level, width - _RIGHT, level, "grid"))
        parts.append(_text(_LEFT - 6, level + 4, _number(tick), "end"))
    for tick in x.ticks():
        parts.append(_line(x.at(tick), height - _BOTTOM, x.at(tick), height - _BOTTOM + 4, "axis"))
        parts.append(_text(x.at(tick), height - _BOTTOM + 17, _number(tick), "middle"))
    parts.append(_line(_LEFT, height - _BOTTOM, width - _RIGHT, height - _BOTTOM, "axis"))
    parts.append(_text((_LEFT + width - _RIGHT) / 2, height - 6, x_label, "middle"))
    parts.append(
        f'<text class="label" text-anchor="middle" transform="translate(13 '
        f'{_f((_TOP + height - _BOTTOM) / 2)}) rotate(-90)">{escape(y_label)}</text>'
    )
    place = _LEFT
    for index, one in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        parts += _drawn(one, x, y, colour)
        if legend:
            parts.append(f'<rect x="{_f(place)}" y="4" width="10" height="10" fill="{colour}"/>')
            parts.append(_text(place + 14, 13, one.name, "start"))
            place += 26.0 + 6.6 * len(one.name)
    return "".join([*parts, "</svg>"])


def bars(rows: Sequence[tuple[str, float, str]], title: str, width: float = 620.0) -> str:
    """Horizontal bars from zero, negative ones to the left.

    Args:
        rows: Name, value and what is written behind the bar.
        title: For those who do not see the plot.
        width: Pixels.
    """
    if not rows:
        return ""
    names, notes = 210.0, 120.0
    low = min(0.0, *(v for _, v, _ in rows))
    high = max(0.0, *(v for _, v, _ in rows))
    span = (high - low) or 1.0
    area = width - names - notes
    zero = names + -low / span * area
    height = 22.0 * len(rows) + 4.0
    parts = [_open(width, height, title)]
    for index, (name, value, note) in enumerate(rows):
        top = 2.0 + 22.0 * index
        length = abs(value) / span * area
        left = zero if value >= 0 else zero - length
        colour = COLOURS[0] if value >= 0 else COLOURS[1]
        parts.append(_text(names - 8, top + 15, name, "end"))
        parts.append(
            f'<rect x="{_f(left)}" y="{_f(top + 3)}" width="{_f(max(length, 0.5))}" height="15" '
            f'fill="{colour}"/>'
        )
        parts.append(_text(max(left + length, zero) + 6, top + 15, note, "start"))
    parts.append(_line(zero, 0, zero, height, "axis"))
    return "".join([*parts, "</svg>"])


def _drawn(one: Series, x: _Axis, y: _Axis, colour: str) -> list[str]:
    pairs = [(a, b) for a, b in zip(one.xs, one.ys, strict=True)]
    if one.radius:
        return [
            f'<circle cx="{_f(x.at(a))}" cy="{_f(y.at(b))}" r="{_f(one.radius)}" fill="{colour}" '
            'fill-opacity="0.75"/>'
            for a, b in pairs
            if b is not None
        ]
    path: list[str] = []
    pen = False
    before = 0.0
    for a, b in pairs:
        if b is None:
            pen = False
            continue
        if pen and one.steps:
            path.append(f"L{_f(x.at(a))} {_f(before)}")
        path.append(f"{'L' if pen else 'M'}{_f(x.at(a))} {_f(y.at(b))}")
        pen, before = True, y.at(b)
    return [f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.8"/>']


def _axis(
    values: Sequence[float], start: float, end: float, logarithmic: bool, padded: bool
) -> _Axis:
    low, high = min(values), max(values)
    if logarithmic:
        if low == high:
            low, high = low / 2.0, high * 2.0
        room = (high / low) ** 0.05 if padded else 1.0
        return _Axis(low / room, high * room, start, end, True)
    if low == high:
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    room = 0.05 * (high - low) if padded else 0.0
    return _Axis(low - room, high + room, start, end, False)


def _nice(step: float) -> float:
    """The 1, 2 or 5 times a power of ten that is next above ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= step * (1 - 1e-9))


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1.0,), (1.0, 2.0, 5.0), tuple(float(i) for i in range(1, 10))):
        ticks = [m * 10.0**e for e in range(first, last + 1) for m in steps]
        inside = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(inside) >= 3:
            return inside
    step = _nice((high - low) / 4.0)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _open(width: float, height: float, title: str) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {_f(width)} {_f(height)}" width="{_f(width)}" '
        f'height="{_f(height)}"><title>{escape(title)}</title>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{_f(x1)}" y1="{_f(y1)}" x2="{_f(x2)}" y2="{_f(y2)}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="label" x="{_f(x)}" y="{_f(y)}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _number(value: float) -> str:
    if abs(value) >= 1e5:
        exponent = math.floor(math.log10(abs(value)))
        return f"{value / 10.0**exponent:.3g}e{exponent}"
    return f"{float(f'{value:.6g}'):g}"


def _f(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")
