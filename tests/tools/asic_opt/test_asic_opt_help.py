"""What asic-opt says of itself: help, versions, its environment."""

import dataclasses
import re

import pytest
from passes_for_tests import TEST_PASSES
from xdsl.passes import ModulePass

from asic_compiler.registry import PASSES
from asic_compiler.tools import doctor
from asic_compiler.tools.pass_help import describe


class TestHelp:
    def test_help_teaches_passes_with_options_and_defaults(self, run):
        code, out, err = run("--help")
        assert (code, err) == (0, "")
        assert "--test-probe" in out
        assert "--verify-numerics[=SEED]" in out
        assert "Notes on the module what it was told." in out
        assert "second paragraph" not in out
        assert re.search(r"node +process node \(default 3nm\)", out)
        assert re.search(r"clock_hz +clock of every tile \(default 1000000000.0\)", out)
        assert re.search(r"seed +int \(default 7\)", out)
        assert re.search(r"path +str \(required\)", out)
        assert re.search(r"mode +high-performance or low-power \(default high-performance\)", out)
        assert max(map(len, out.splitlines())) <= 100

    @pytest.mark.parametrize("name", [*PASSES, *TEST_PASSES])
    def test_help_says_what_the_class_says(self, name):
        # Help reads the source of a pass; this catches a pass that it cannot read.
        entry = PASSES[name]
        info = describe(name, entry)
        pass_type: type[ModulePass] = entry.load()
        fields = [field for field in dataclasses.fields(pass_type) if field.init]
        assert info.summary
        assert [option.name for option in info.options] == [field.name for field in fields]
        for option, field in zip(info.options, fields, strict=True):
            required = field.name in pass_type.required_fields()
            assert (option.default is None) == required
            if field.default not in (dataclasses.MISSING, None) and isinstance(
                field.default, str | int
            ):
                wanted = str(field.default)
                if isinstance(field.default, bool):
                    wanted = wanted.lower()
                assert option.default is not None
                assert option.default.strip('"') == wanted

    def test_list_passes(self, run):
        out = run("--list-passes").out
        assert out.index("test-probe") < out.index("canonicalize")

    def test_version(self, run):
        assert re.match(r"asic-opt \d+\.\d+\.\d+ \(xDSL 0\.74\.\d+\)\n", run("--version").out)


class TestDoctor:
    def test_a_supported_python(self):
        assert doctor.check_python((3, 12))[0].healthy
        finding = doctor.check_python((3, 14))[0]
        assert not finding.healthy
        assert "PYTHON=" in finding.remedy

    def test_requirements(self):
        installed = {"torch": "2.13.0+cpu", "numpy": "1.26.4"}

        def version_of(name: str) -> str:
            if name not in installed:
                raise doctor.PackageNotFoundError(name)
            return installed[name]

        findings = doctor.check_requirements(
            ["torch~=2.13.0", "numpy>=2.0,<3", "lark>=1.2", 'lit>=18; extra == "dev"'], version_of
        )
        assert [(found.subject, found.healthy) for found in findings] == [
            ("torch", True),
            ("numpy", False),
            ("lark", False),
        ]
        assert findings[1].detail == "1.26.4, needed <3,>=2.0"
        assert "pip install" in findings[2].remedy

    def test_a_problem_is_told_and_fails(self, run, monkeypatch):
        monkeypatch.setattr(doctor, "_IMPORTS", ("no_such_module",))
        code, out, _ = run("--doctor")
        assert code == 1
        assert "WRONG  import no_such_module: ModuleNotFoundError" in out
        assert "to mend it: " in out
        assert "1 problem found" in out

    def test_this_environment_is_sound(self, run, monkeypatch):
        monkeypatch.setattr(doctor, "_IMPORTS", ("json",))
        code, out, _ = run("--doctor")
        assert code == 0, out
        assert "all is well" in out
