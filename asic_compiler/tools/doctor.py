"""``asic-opt --doctor``: is this installation sound, and if not, what mends it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from pathlib import Path

DISTRIBUTION = "asic-compiler"
_IMPORTS = ("torch", "torch_mlir.fx")
_IMPORT_TIMEOUT_S = 300
_OPTIONAL_PROGRAMS = {
    "torch-mlir-opt": "upstream MLIR's parser, to check what we print",
    "filecheck": "tests",
    "lit": "tests",
    "spike": "the RISC-V instruction set simulator",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    subject: str
    healthy: bool
    detail: str
    remedy: str = ""


def run_doctor() -> int:
    """Prints every finding and returns 1 if something is wrong, else 0."""
    findings = [
        *check_python(sys.version_info[:2]),
        *check_requirements(requires(DISTRIBUTION) or [], version),
        *check_plugin(),
        *check_imports(),
    ]
    for finding in findings:
        print(f"{'ok   ' if finding.healthy else 'WRONG'}  {finding.subject}: {finding.detail}")
        if finding.remedy:
            print(f"       to mend it: {finding.remedy}")
    # Also beside this Python: an environment need not be activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    for program, purpose in _OPTIONAL_PROGRAMS.items():
        found = shutil.which(program, path=path) or f"not found; optional, for {purpose}"
        print(f"ok     {program}: {found}")
    problems = sum(not finding.healthy for finding in findings)
    print(f"{problems} problem{'s' * (problems != 1)} found" if problems else "all is well")
    return 1 if problems else 0


def check_python(running: tuple[int, int]) -> list[Finding]:
    """Is this a supported version of Python?"""
    healthy = (3, 11) <= running < (3, 14)
    remedy = "" if healthy else "use Python 3.11 to 3.13: make PYTHON=python3.12 test"
    return [Finding("Python", healthy, f"{platform.python_version()} ({sys.executable})", remedy)]


def check_requirements(requirements: list[str], version_of: Callable[[str], str]) -> list[Finding]:
    """Is every package of ``requirements`` installed, in a version that they allow?

    Args:
        requirements: As in the distribution's metadata; those of extras are left out.
        version_of: Gives the installed version or raises PackageNotFoundError.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return [Finding("packages", False, "packaging is missing", _reinstall())]
    findings: list[Finding] = []
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version_of(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding(requirement.name, False, "not installed", _reinstall()))
            continue
        healthy = requirement.specifier.contains(installed, prereleases=True)
        detail = installed if healthy else f"{installed}, needed {requirement.specifier}"
        findings.append(
            Finding(requirement.name, healthy, detail, "" if healthy else _reinstall(text))
        )
    return findings


def check_plugin() -> list[Finding]:
    """Does plain ``xdsl-opt`` find our dialects and passes?"""
    names = [point.name for point in entry_points(group="xdsl.universe")]
    if "asic_compiler" not in names:
        return [Finding("xDSL plug-in", False, "entry point not registered", _reinstall())]
    from xdsl.universe import Universe

    try:
        Universe.get_multiverse()
    except Exception as error:
        remedy = "uninstall the other xDSL plug-in that uses the same name"
        return [Finding("xDSL plug-in", False, str(error), remedy)]
    return [Finding("xDSL plug-in", True, f"registered ({', '.join(sorted(names))})")]


def check_imports() -> list[Finding]:
    """Do the packages with native code load? In a process of their own: they may crash it."""
    return [_check_import(module) for module in _IMPORTS]


def _check_import(module: str) -> Finding:
    subject = f"import {module}"
    command = [sys.executable, "-c", f"import {module}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(subject, False, f"no answer in {_IMPORT_TIMEOUT_S} s", _reinstall())
    if done.returncode == 0:
        return Finding(subject, True, "loads")
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding(subject, False, reason, _reinstall())


def _reinstall(requirement: str = DISTRIBUTION) -> str:
    return f'{sys.executable} -m pip install --force-reinstall "{requirement}"'
