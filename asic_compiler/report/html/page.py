"""What every HTML report is made of: a page, tables, figures. No scripts, nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """\
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1b1b1b; background: #fff;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem;
     border-bottom: 1px solid #ccc; } h3 { font-size: 1.05rem; margin: 1.5rem 0 .3rem; }
p { max-width: 46rem; margin: .4rem 0; } .note { color: #555; font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .22rem .8rem .22rem 0; border-bottom: 1px solid #e4e4e4;
         vertical-align: top; }
th { font-weight: 600; border-bottom: 1px solid #999; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums;
                       white-space: nowrap; }
tr.binds td { background: #fdf1e7; }
figure { margin: .6rem 0; } figcaption { color: #555; font-size: .9rem; }
svg { max-width: 100%; height: auto; } svg .label { font-size: 12px; fill: #333; }
svg .grid { stroke: #e4e4e4; } svg .axis { stroke: #888; }
details summary { cursor: pointer; color: #2166ac; }
code { font-size: .9em; }
"""


def page(title: str, body: Sequence[str]) -> str:
    """A whole document; ``body`` is HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def heading(level: int, text: str) -> str:
    """A heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, note: bool = False) -> str:
    """A paragraph of plain text; a note is set smaller."""
    kind = ' class="note"' if note else ""
    return f"<p{kind}>{escape(text)}</p>" if text else ""


def figure(svg: str, caption: str) -> str:
    """A plot with its caption; nothing where there is no plot."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" if svg else ""


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int] = (),
    marked: Sequence[bool] = (),
) -> str:
    """A table of plain text.

    Args:
        header: Names of the columns.
        rows: A cell a column.
        numbers: Columns set as numbers.
        marked: Rows that stand out; none is no row.
    """
    if not rows:
        return ""

    def cells(tag: str, values: Sequence[str]) -> str:
        kinds = [' class="number"' if i in numbers else "" for i in range(len(values))]
        return "".join(
            f"<{tag}{kind}>{escape(value)}</{tag}>"
            for kind, value in zip(kinds, values, strict=True)
        )

    kinds = [' class="binds"' if flag else "" for flag in marked or [False] * len(rows)]
    lines = [f"<tr{kind}>{cells('td', row)}</tr>" for kind, row in zip(kinds, rows, strict=True)]
    head = f"<thead><tr>{cells('th', header)}</tr></thead>"
    body = "\n".join(lines)
    return f'<div class="wide"><table>{head}\n<tbody>\n{body}\n</tbody></table></div>'


def folded(summary: str, body: str) -> str:
    """What is shown on a click."""
    return f"<details><summary>{escape(summary)}</summary>\n{body}\n</details>" if body else ""


def quantity(value: float, digits: int = 4) -> str:
    """A number as people read it: 4,613 and 0.00123."""
    text = f"{value:,.{digits}g}"
    return f"{value:,.0f}" if "e+" in text and abs(value) < 1e12 else text


def percent(ratio: float) -> str:
    """A ratio as a change: 1.02 is +2.0%."""
    change = (ratio - 1.0) * 100.0
    if abs(change) < 0.005:
        return "0%"
    if abs(change) >= 1000.0:
        return f"x {ratio:,.3g}"
    return f"{change:+.2f}%" if abs(change) < 1.0 else f"{change:+,.3g}%"
