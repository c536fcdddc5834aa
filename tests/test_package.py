"""What the installed package promises before any work is asked of it."""

import re
import subprocess
import sys
import time
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import asic_compiler
from asic_compiler.registry import DIALECTS, PASSES

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "torch_mlir", "transformers", "numpy", "xdsl")


def modules_loaded_by(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not modules_loaded_by("import asic_compiler").intersection(HEAVY)


def test_help_loads_nothing_heavy():
    loaded = modules_loaded_by(
        "from asic_compiler.tools.asic_opt import main\nassert main(['--help']) == 0"
    )
    assert "asic_compiler.tools.asic_opt" in loaded
    assert not loaded.intersection(HEAVY)


def test_the_driver_loads_no_pytorch():
    loaded = modules_loaded_by("import asic_compiler.tools.driver")
    assert "xdsl" in loaded
    assert not loaded.intersection(("torch", "torch_mlir", "transformers"))


def test_help_answers_at_once():
    # The best of three: other work on the machine must not fail the test.
    durations: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "asic_compiler.tools.asic_opt", "--help"],
            capture_output=True,
            check=True,
        )
        durations.append(time.perf_counter() - start)
    assert min(durations) < 0.5


def test_version_is_the_one_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert asic_compiler.__version__ == project["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## .*{re.escape(project['version'])}", changelog, re.MULTILINE)


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = [re.split(r"[<>=~!\[ ]", requirement)[0] for requirement in wanted]
    names = [name for name in names if name != project["name"]]
    assert [name for name in names if f"`{name}`" not in explained] == []


def test_every_command_exists():
    for point in entry_points(group="console_scripts"):
        if point.value.startswith("asic_compiler."):
            assert callable(point.load()), point.name


def test_registry_entries_load():
    for name, entry in PASSES.items():
        assert entry.load().name == name
    for name, entry in DIALECTS.items():
        assert entry.load().name == name


def test_plain_xdsl_opt_knows_our_passes():
    # Through the entry point: nothing of ours is imported by hand.
    program = (
        "from xdsl.xdsl_opt_main import xDSLOptMain\n"
        "tool = xDSLOptMain(args=[])\n"
        "print(*tool.available_passes, *tool.ctx.registered_dialect_names, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    names = done.stdout.split()
    assert "canonicalize" in names
    assert set(PASSES) <= set(names)
    assert set(DIALECTS) <= set(names)


def test_plain_xdsl_opt_shows_our_passes_in_its_help():
    xdsl_opt = Path(sys.executable).with_name("xdsl-opt")
    done = subprocess.run([xdsl_opt, "--help"], capture_output=True, text=True, check=True)
    # argparse breaks lines at hyphens.
    flat = re.sub(r"\s", "", done.stdout)
    assert [name for name in PASSES if name not in flat] == []
