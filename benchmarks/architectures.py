"""How far architectures come: imported, raised, designed, run beside PyTorch.

    python benchmarks/architectures.py run [NAME ...] [--again] [--module FILE.py] [--limit 300]
    python benchmarks/architectures.py page

Every architecture is small and has random weights. ``run`` adds the rows that
docs/data/coverage.csv lacks (with --again it measures them anew); ``page`` writes the table of
docs/coverage.md from them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).parent))

from model_coverage.measure import measure
from model_coverage.table import page, read, write

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "data" / "coverage.csv"
PAGE = ROOT / "docs" / "coverage.md"


def run(names: list[str], module: str, again: bool, limit_s: float, path: Path) -> None:
    """Measures what the table lacks, one architecture after the other, and keeps every row."""
    # Loaded once: every process is a fork of this one.
    for package in ("torch", "transformers"):
        importlib.import_module(package)
    factories = importlib.import_module(module)
    known: list[str] = list(factories.FACTORIES)
    rows = read(path)
    for name in names or known:
        if name in rows and not again:
            continue
        row = rows[name] = measure(f"{module}:{name}", limit_s)
        write(path, rows)
        print(f"{name}: {row.reached or 'nothing'}, {row.error} {row.reason}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("run", "page"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--again", action="store_true", help="measure rows that are there anew")
    parser.add_argument("--module", default="model_coverage.architectures")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds an architecture")
    parser.add_argument("--table", type=Path, default=TABLE)
    args = parser.parse_intermixed_args()
    if args.what == "run":
        run(args.names, args.module, args.again, args.limit, args.table)
    else:
        page(PAGE, read(args.table))


if __name__ == "__main__":
    main()
