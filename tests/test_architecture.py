"""The rules of the house, checked on the source: who may import whom, size, documentation."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asic_compiler"

# A room may import from rooms of a higher number, and from itself. Rooms that share a number do
# not know each other.
LEVELS = {
    "embedding": 0,
    "tools": 0,
    "passes": 1,
    "frontends": 2,
    "report": 2,
    "explore": 3,
    "simulate": 4,
    "program": 5,
    "plan": 6,
    "ppa": 7,
    "mapping": 8,
    "workload": 9,
    "hardware": 10,
    "technology": 11,
    "interpret": 11,
    "dialects": 12,
    "tensors": 12,
    "machine": 13,
    "files": 14,
    "garbage": 14,
    "registry": 14,
    "diagnostics": 15,
}
# For xDSL's plug-in search alone.
REGISTRATION = {"universe"}

# Rooms that compute on arrays and facts. They are tested, and reused, without a compiler.
NO_IR = (
    "machine", "technology", "hardware", "mapping", "ppa", "plan.plan", "plan.make",
    "plan.schedule",
    "program.placement", "explore", "workload.table",
)  # fmt: skip
IR_MODULES = ("xdsl", "asic_compiler.dialects", "asic_compiler.passes")
# Where PyTorch may be imported at all.
TORCH_ROOMS = ("frontends", "explore.strategies")
TORCH_MODULES = ("torch", "torch_mlir", "transformers", "safetensors.torch")

MAX_LINES = 500
# Machine paths and unfinished work have no place in what users read.
FORBIDDEN = re.compile(r"/work/|/tmp/|\bTODO\b|\bFIXME\b|\bXXX\b|\bHACK\b|NotImplementedError\(\)")

SOURCES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> list[str]:
    """Every module that a file imports, at the top or inside a function, in absolute form."""
    found: list[str] = []
    package = name_of(path) if path.stem == "__init__" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found += [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=0):
                # `from asic_compiler import explore` names a room as well.
                found += [f"{module}.{alias.name}" for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package.split(".")[: len(package.split(".")) - level + 1]
                base += [module] if module else []
                found += [".".join([*base, alias.name]) for alias in names]
            case _:
                pass
    return found


def within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "asic_compiler" and len(parts) > 1 else None


def upward_imports(importer: str, imported: list[str]) -> list[str]:
    """The imports of a module that the order of rooms forbids."""
    room = room_of(importer)
    if room is None or room in REGISTRATION:
        return []
    wrong: list[str] = []
    for module in imported:
        other = room_of(module)
        if other is None or other == room or (other == "__version__"):
            continue
        if other not in LEVELS or LEVELS[room] >= LEVELS[other]:
            wrong.append(module)
    return wrong


def circles_of(imports: dict[str, list[str]]) -> list[tuple[str, ...]]:
    """The circles of a package: modules that reach each other, each circle sorted.

    An import inside a function counts: the two modules cannot be understood apart.

    Args:
        imports: Of every module, what it names; a name inside a module stands for the module.
    """
    edges: dict[str, list[str]] = {}
    for importer, named in imports.items():
        # `from a.b import c` is the module a.b.c where there is one, and a.b where there is none.
        modules = (name if name in imports else name.rpartition(".")[0] for name in named)
        edges[importer] = sorted({name for name in modules if name in imports})
    reached = {module: reachable(module, edges) for module in edges}
    circles = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in edges
        if module in reached[module]
    }
    return sorted(circles)


def reachable(module: str, edges: dict[str, list[str]]) -> set[str]:
    """The modules that a module imports, directly or through others."""
    reached: set[str] = set()
    todo = list(edges[module])
    while todo:
        other = todo.pop()
        if other not in reached:
            reached.add(other)
            todo += edges[other]
    return reached


@pytest.fixture(scope="module")
def imports() -> dict[str, list[str]]:
    """Every module of the package and what it imports; each file is parsed once."""
    return {name_of(path): imports_of(path) for path in SOURCES}


def test_imports_go_downwards(imports):
    wrong = {module: upward_imports(module, named) for module, named in imports.items()}
    assert {module: names for module, names in wrong.items() if names} == {}


def test_no_two_modules_import_each_other(imports):
    assert circles_of(imports) == []


def forbidden_imports(
    imports: dict[str, list[str]], forbidden: tuple[str, ...], here: Callable[[str], bool]
) -> dict[str, list[str]]:
    """The modules for which ``here`` holds and their imports from ``forbidden``."""
    found = {
        module: [name for name in named if within(name, forbidden)]
        for module, named in imports.items()
        if here(module.removeprefix("asic_compiler."))
    }
    return {module: names for module, names in found.items() if names}


def test_rooms_of_arrays_know_no_ir(imports):
    assert forbidden_imports(imports, IR_MODULES, lambda module: within(module, NO_IR)) == {}


def test_cycles_of_the_simulators_do_not_come_from_the_model_that_they_check(imports):
    # Joule of an event are the model's: docs/simulation.md says what agreement then means.
    simulator = ("simulate",)
    found = forbidden_imports(imports, ("asic_compiler.ppa",), lambda m: within(m, simulator))
    assert list(found) == ["asic_compiler.simulate.timing.energy"]


def test_only_front_ends_and_learners_import_torch(imports):
    outside = forbidden_imports(imports, TORCH_MODULES, lambda m: not within(m, TORCH_ROOMS))
    assert outside == {}


def test_every_module_says_what_it_is():
    trees = {name_of(path): (path, ast.parse(path.read_text())) for path in SOURCES}
    silent = [
        module
        for module, (path, tree) in trees.items()
        if (path.stem != "__init__" or tree.body) and not ast.get_docstring(tree)
    ]
    assert silent == [], "no module docstring"


def test_no_file_is_too_long():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {module: lines for module, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_unfinished_work_and_no_machine_paths():
    hits = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*SOURCES, *DOCUMENTS]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
    assert hits == []


def test_every_room_has_a_level():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set(LEVELS)


def test_every_room_is_in_the_architecture_document():
    document = (ROOT / "docs" / "architecture.md").read_text()
    rooms = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
    assert [room for room in rooms if f"{room}/" not in document] == []


class TestTheChecksThemselves:
    """A checker that lets everything pass would look just as green."""

    def test_an_upward_import_is_seen(self):
        assert upward_imports("asic_compiler.ppa.area", ["asic_compiler.tools.console"])
        assert upward_imports("asic_compiler.frontends.a", ["asic_compiler.report.b"])
        assert upward_imports("asic_compiler.passes.a", ["asic_compiler.universe.ASIC_UNIVERSE"])

    def test_a_downward_import_is_allowed(self):
        assert not upward_imports("asic_compiler.tools.a", ["asic_compiler.ppa.area"])
        assert not upward_imports("asic_compiler.ppa.a", ["asic_compiler.ppa.b", "numpy"])

    def test_imports_of_torch_and_of_ir_are_seen(self):
        imports = {"asic_compiler.ppa.area": ["torch.nn", "numpy", "asic_compiler.dialects.asic"]}
        assert forbidden_imports(imports, TORCH_MODULES, lambda m: not within(m, TORCH_ROOMS)) == {
            "asic_compiler.ppa.area": ["torch.nn"]
        }
        assert forbidden_imports(imports, IR_MODULES, lambda m: within(m, NO_IR)) == {
            "asic_compiler.ppa.area": ["asic_compiler.dialects.asic"]
        }

    def test_circles_are_seen_and_chains_are_none(self):
        chain = {"p": [], "p.a": ["p.b.name", "numpy"], "p.b": ["p.c"], "p.c": []}
        assert circles_of(chain) == []
        assert circles_of(chain | {"p.c": ["p.a.f"]}) == [("p.a", "p.b", "p.c")]
        assert circles_of(chain | {"p.b": ["p.a"], "p.c": ["p.d"], "p.d": ["p.c.x"]}) == [
            ("p.a", "p.b"), ("p.c", "p.d")
        ]  # fmt: skip

    def test_imports_inside_functions_and_relative_ones_are_seen(self, tmp_path: Path, monkeypatch):
        module = tmp_path / "asic_compiler" / "ppa" / "area.py"
        module.parent.mkdir(parents=True)
        module.write_text("from ..tools import console\ndef f():\n    import torch.nn\n")
        monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
        assert imports_of(module) == ["asic_compiler.tools.console", "torch.nn"]

    def test_forbidden_words_are_seen(self):
        assert FORBIDDEN.search("see /work/" + "x")
        assert not FORBIDDEN.search("framework/x")


def test_no_two_files_of_tests_have_one_name():
    # pytest imports them by their names: the second of two is refused.
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
