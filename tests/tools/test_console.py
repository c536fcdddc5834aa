"""What every command line promises: names that can be written, signals, lines that are lines."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from asic_compiler.diagnostics import SourceLocation, UserError, one_line
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.tensors.comparison import compare, summary
from asic_compiler.tools import asic_opt, asic_translate
from asic_compiler.tools.console import Terminated, check_output, ended_by_signals, guarded

HOSTILE = "a\x1b[31mred\n\rb\x9b\u202e\x00\u2028z"
CONTROLS = set(HOSTILE) - set("a[31mredbz")


def test_control_characters_are_escaped_and_a_line_is_one_line():
    shown = one_line(HOSTILE)
    assert not CONTROLS & set(shown)
    assert shown.startswith("a\\x1b[31mred\\n")
    assert len(one_line("x" * 10**6)) < 3000


def test_a_message_is_a_line_each():
    error = UserError(HOSTILE, SourceLocation(HOSTILE, 1, 2), [HOSTILE])
    told = error.render("tool")
    assert len(told.split("\n")) == 2
    assert not (CONTROLS - {"\n"}) & set(told)


@pytest.mark.parametrize("table", [summary, lambda outputs: compare(outputs, outputs).table()])
def test_names_of_outputs_do_not_reach_the_terminal_as_they_are(table):
    told = table({HOSTILE: np.zeros(3)})
    assert len(told.splitlines()) == 2
    assert not (CONTROLS - {"\n"}) & set(told)


def test_names_of_a_model_do_not_either(tmp_path, capsys):
    text = (
        'builtin.module attributes {asic.workload = {name = "a\\1B[31m\\0Ab", phase = '
        '"inference", batch = 1 : i64, context = 0 : i64, tokens = 1 : i64}} {\n'
        "func.func @main(%x: tensor<4xf16>) -> tensor<4xf16> {\n"
        "%r = linalg.exp ins(%x : tensor<4xf16>) outs(%x : tensor<4xf16>) -> tensor<4xf16>\n"
        "func.return %r : tensor<4xf16>\n}\n}"
    )
    parse_module(text, "m")
    path = tmp_path / "m.mlir"
    path.write_text(text)
    assert asic_translate.main([str(path), "--to-workload"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a\\x1b[31m\\nb: inference")
    assert asic_opt.main([str(path), "--rl-explore=evaluations=8 strategy=random"]) == 0
    assert "\x1b" not in capsys.readouterr().err


def loop(folder):
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def pipe_in_the_way(folder):
    (folder / "f").write_text("")
    return folder / "f" / "x"


@pytest.mark.parametrize(
    "name",
    [
        loop,
        pipe_in_the_way,
        lambda folder: folder / ("x" * 300),
        lambda folder: folder / "nul\0",
        lambda folder: folder / "missing" / "x",
        lambda folder: folder,
        lambda _: "/proc/x",
    ],
    ids=["circle", "file as folder", "long", "nul", "no folder", "folder", "proc"],
)
def test_an_output_that_cannot_be_written_is_told_before_the_work(name, tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        check_output(str(name(tmp_path)))
    assert not [p for p in tmp_path.iterdir() if p.name.endswith("tmp")]


def test_a_name_of_245_letters_can_be_written(tmp_path):
    """A temporary name made of it had too many letters, after the search."""
    source, target = tmp_path / "m.mlir", tmp_path / ("x" * 245)
    source.write_text("module {}")
    assert asic_opt.main([str(source), "-o", str(target)]) == 0
    assert target.read_text().startswith("builtin.module")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_tool_as_ctrl_c_does(number, capsys):
    cleaned = []

    def body():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            cleaned.append(True)

    before = signal.getsignal(number)
    assert guarded("tool", body) == 128 + number
    assert cleaned
    assert capsys.readouterr().err == f"tool: ended by {number.name}\n"
    assert signal.getsignal(number) is before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    except Terminated:
        pytest.fail("nohup is not kept")
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("tool", ["asic_opt", "asic_run", "asic_translate", "asic_import"])
def test_every_tool_is_guarded(tool):
    """Each ends by SIGTERM with its own exit code, while it waits for its input."""
    arguments = {"asic_translate": ["--to-workload"], "asic_run": ["-", "--timing"]}.get(tool, [])
    if tool == "asic_import":
        code = (
            "import os, signal\nfrom asic_compiler.tools import asic_import\n"
            "asic_import._import = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
            "raise SystemExit(asic_import.main(['smolvlm-256m']))"
        )
    else:
        code = (
            "import os, signal\nfrom asic_compiler.tools import console\n"
            f"from asic_compiler.tools import {tool} as tool\n"
            "import io, sys\n"
            "class Stop(io.RawIOBase):\n"
            "    def read(self, *_): os.kill(os.getpid(), signal.SIGTERM); return b''\n"
            "class In:\n    buffer = Stop()\n    def isatty(self): return False\n"
            f"sys.stdin = In()\nraise SystemExit(tool.main({arguments!r}))"
        )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr
    assert "ended by SIGTERM" in done.stderr
    assert "Traceback" not in done.stderr
