"""What the tests of asic-opt share: a module, passes of their own, and a call of the tool."""

import io
import typing
from pathlib import Path

import passes_for_tests
import pytest
from passes_for_tests import FUNCTION, TEST_PASSES

from asic_compiler.registry import PASSES
from asic_compiler.tools import asic_opt


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "in.mlir"
    path.write_text(FUNCTION)
    return str(path)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch):
    for name, entry in TEST_PASSES.items():
        monkeypatch.setitem(PASSES, name, entry)


class Result(typing.NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def call(*arguments: str, stdin: str | bytes | None = None) -> Result:
        if stdin is not None:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = asic_opt.main(arguments)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def probe(source: str, monkeypatch: pytest.MonkeyPatch, run):
    """The pass that the command line builds, or the message on stderr."""

    def call(*arguments: str) -> passes_for_tests.ProbePass | str:
        built: list[passes_for_tests.ProbePass] = []
        monkeypatch.setattr(
            passes_for_tests.ProbePass, "apply", lambda self, ctx, op: built.append(self)
        )
        result = run(source, *arguments)
        return built[0] if built else result.err

    return call
