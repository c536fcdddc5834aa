"""Arguments, files, comparison and exit codes of asic-run; execution has tests of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program_models import model, plan

import asic_compiler.simulate as simulate
from asic_compiler.dialects import tcc
from asic_compiler.frontends.mlir_text import parse_module
from asic_compiler.program.emit import program_text
from asic_compiler.program.generate import generate
from asic_compiler.simulate.images import ImageFolder
from asic_compiler.simulate.timing.report import simulate_timing
from asic_compiler.tensors.files import TensorFile, write_arrays
from asic_compiler.tools import asic_run

# The least that asic-run looks at: two arguments, one of them a cache, a weight, a program.
PROGRAM = """\
builtin.module {
  "tcc.channel"() <{sym_name = "in.x", host = "x",
    target = #asic.region<offset = [0, 0], size = [1, 1]>, tensor = tensor<1x4xf16>}> : () -> ()
  "tcc.cache"() <{sym_name = "past", bits = 16 : i64, copies = 1 : i64, argument = 1 : i64,
    tensor = tensor<2x2xf16>}> : () -> ()
  "tcc.weight"() <{sym_name = "w", bits = 16 : i64,
    value = dense_resource<m.weight> : tensor<4x4xf16>}> : () -> ()
  "tcc.program"() <{sym_name = "p", tile_class = 0 : i64, stage = 0 : i64, period = 1 : i64,
    places = [#asic.region<offset = [0, 0], size = [1, 1]>]}> ({}) : () -> ()
}
"""
INPUTS = {"x": np.arange(4, dtype=np.float16)[None], "past": np.ones((2, 2), np.float16)}
WEIGHTS = {"m.weight": np.eye(4, dtype=np.float16)}
LOGITS = {"logits": np.array([[1.0, 4.0, 2.0]], np.float16)}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A program and what belongs to it; the simulator gives LOGITS."""
    paths = {name: str(tmp_path / name) for name in ("p.mlir", "inputs", "weights", "reference")}
    Path(paths["p.mlir"]).write_text(PROGRAM)
    facts = {"model": "m", "phase": "decode", "batch": "1", "context": "4", "seed": "0"}
    weights = write_arrays(Path(paths["weights"]), WEIGHTS, facts)
    inputs = write_arrays(Path(paths["inputs"]), INPUTS, facts)
    facts |= {"weights": weights, "inputs": inputs}
    exact = {name: array.astype(np.float32) for name, array in LOGITS.items()}
    write_arrays(Path(paths["reference"]), exact, facts)
    simulator(monkeypatch, LOGITS)
    return paths


def simulator(monkeypatch: pytest.MonkeyPatch, outputs: dict[str, Any]) -> list[Any]:
    """Puts one in place that gives these outputs; returns what it was called with."""
    calls: list[Any] = []

    def run_program(module: Any, inputs: Any, weights: Any, observer: Any) -> dict[str, Any]:
        calls.append((module, inputs, weights))
        observer.executed(1, 2)
        observer.executed(2, 2)
        return outputs

    monkeypatch.setattr(simulate, "run_program", run_program, raising=False)
    return calls


def run(
    files: dict[str, str], *options: str, given: tuple[str, ...] = ("inputs", "weights")
) -> int:
    pairs = [part for name in given for part in (f"--{name}", files[name])]
    return asic_run.main([files["p.mlir"], *pairs, *options])


def test_the_simulator_gets_what_the_program_reads(files, monkeypatch, capsys):
    extra = {**WEIGHTS, "unread": np.zeros(3)}
    write_arrays(Path(files["weights"]), extra, {})
    calls = simulator(monkeypatch, LOGITS)
    assert run(files) == 0
    ((module, inputs, weights),) = calls
    assert module.name == "builtin.module"
    for given, wanted in ((inputs, INPUTS), (weights, WEIGHTS)):
        assert sorted(given) == sorted(wanted)
        for name, array in wanted.items():
            np.testing.assert_array_equal(given[name], array)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "output  shape  least  greatest  next token",
        "logits  1x3    1      4         1",
    ]
    assert printed.err == ""


def test_a_check_that_passes(files, capsys):
    assert run(files, "--check", files["reference"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].split() == [
        "logits",
        "1x3",
        *["0.000e+00"] * 2,
        "1/1",
        "same",
    ]
    # The reference is of another tool, or an older one: what the check measures by is said.
    assert printed.err.startswith("asic-run: note: compared with 0.01: the reference does not say")


def test_a_check_of_a_narrow_format_says_what_is_compared(files, capsys):
    path = Path(files["p.mlir"])
    path.write_text(path.read_text().replace('"w", bits = 16', '"w", bits = 4'))
    assert run(files, "--check", files["reference"]) == 0
    told = "the program has weights of 4 bits; the errors are those of the format too"
    assert capsys.readouterr().err == f"asic-run: note: {told}\n"


def test_a_figure_beyond_the_tolerance_is_an_error_after_the_table(files, monkeypatch, capsys):
    simulator(monkeypatch, {"logits": np.array([[1, 4, 2.0625]], np.float16)})
    assert run(files, "--check", files["reference"]) == 1
    printed = capsys.readouterr()
    assert "1.562e-02" in printed.out
    assert "asic-run: error: the outputs are not those of '" in printed.err
    assert "'logits' is off by 0.0156 of its largest magnitude (at [0, 2])" in printed.err
    assert run(files, "--check", files["reference"], "--tolerance", "0.02") == 0
    assert run(files, "--check", files["reference"], "--tolerance", "0.015625") == 0


def test_another_token_is_an_error_within_the_tolerance(files, monkeypatch, capsys):
    simulator(monkeypatch, {"logits": np.array([[1, 4, 4.02]], np.float16)})
    assert run(files, "--check", files["reference"], "--tolerance", "1") == 1
    assert "'logits' gives another token at 1 of 1" in capsys.readouterr().err


def test_a_reference_that_says_what_pytorch_loses(files, monkeypatch, capsys):
    path = Path(files["reference"])
    exact = {name: array.astype(np.float32) for name, array in LOGITS.items()}
    own = {"own_type": "f16", "own_errors": '{"logits": 0.004}'}
    write_arrays(path, exact, own)
    simulator(monkeypatch, {"logits": np.array([[1, 4, 2.03125]], np.float16)})
    assert run(files, "--check", str(path)) == 0
    printed = capsys.readouterr()
    assert "PyTorch f16" in printed.out
    assert "4.000e-03" in printed.out
    assert printed.err == ""
    simulator(monkeypatch, {"logits": np.array([[1, 4, 2.0625]], np.float16)})
    assert run(files, "--check", str(path)) == 1
    assert "twice the 0.004 of PyTorch in f16" in capsys.readouterr().err
    # What the user asks for is what counts.
    assert run(files, "--check", str(path), "--tolerance", "0.02") == 0


def test_a_narrow_cache_is_not_measured_by_f16(files, monkeypatch, capsys):
    program = Path(files["p.mlir"])
    program.write_text(PROGRAM.replace('"past", bits = 16', '"past", bits = 8'))
    path = Path(files["reference"])
    exact = {name: array.astype(np.float32) for name, array in LOGITS.items()}
    write_arrays(path, exact, {"own_type": "f16", "own_errors": '{"logits": 0.0}'})
    simulator(monkeypatch, {"logits": np.array([[1, 4, 2.03125]], np.float16)})
    assert run(files, "--check", str(path)) == 0
    told = "the program has a cache of 8 bits; the errors are those of the format too"
    assert told in capsys.readouterr().err


def test_not_a_number_is_an_error(files, monkeypatch, capsys):
    simulator(monkeypatch, {"logits": np.array([[1, 4, np.nan]], np.float16)})
    assert run(files, "--check", files["reference"], "--tolerance", "1e9") == 1
    assert "'logits' is off by inf of its largest magnitude" in capsys.readouterr().err


def test_outputs_are_written_also_when_the_check_fails(files, monkeypatch, tmp_path: Path):
    simulator(monkeypatch, {"logits": np.array([[9, 4, 2]], np.float16)})
    path = tmp_path / "outputs.safetensors"
    assert run(files, "--check", files["reference"], "--outputs", str(path)) == 1
    np.testing.assert_array_equal(TensorFile(path)["logits"], [[9, 4, 2]])


def test_progress_is_for_terminals(files, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(files) == 0
    assert capsys.readouterr().err == ("\r1 of 2 instructions (50%)\r2 of 2 instructions (100%)\n")


def test_images_are_written_from_weights_and_serve_alone_afterwards(
    files, monkeypatch, tmp_path: Path
):
    calls = simulator(monkeypatch, LOGITS)
    folder = tmp_path / "images"
    assert run(files, "--images", str(folder)) == 0
    assert (folder / "index.json").is_file()
    assert run(files, "--images", str(folder), given=("inputs",)) == 0
    assert [weights for _, _, weights in calls] == [ImageFolder(folder)] * 2


class TestWrongFiles:
    def test_weights_that_are_missing(self, files, capsys):
        files["weights"] += ".gone"
        assert run(files) == 1
        assert f"error: no such file: '{files['weights']}'" in capsys.readouterr().err

    def test_weights_that_are_truncated(self, files, capsys):
        path = Path(files["weights"])
        path.write_bytes(path.read_bytes()[:-3])
        assert run(files) == 1
        assert "weights' is truncated: 'm.weight' ends at byte" in capsys.readouterr().err

    def test_weights_that_are_damaged(self, files, capsys):
        path = Path(files["weights"])
        data = bytearray(path.read_bytes())
        data[-1] ^= 0x40
        path.write_bytes(data)
        assert run(files) == 1
        assert "weights' is damaged" in capsys.readouterr().err

    def test_weights_of_another_model(self, files, capsys):
        facts = {"model": "other", "phase": "decode", "batch": "1", "context": "0"}
        write_arrays(Path(files["weights"]), {"n.weight": np.zeros(2)}, facts)
        assert run(files) == 1
        printed = capsys.readouterr().err
        assert "has not the weights of this program: 1 of 1 tensors do not fit" in printed
        assert "note: 'm.weight' (4x4xf16) is missing" in printed
        assert "note: the file was written for other: decode, batch 1" in printed

    def test_inputs_of_another_batch(self, files, capsys):
        write_arrays(Path(files["inputs"]), {**INPUTS, "x": np.zeros((2, 4), np.float16)}, {})
        assert run(files) == 1
        printed = capsys.readouterr().err
        assert "note: 'x' is 2x4xf16, the program reads 1x4xf16" in printed

    def test_a_reference_of_other_weights(self, files, capsys):
        write_arrays(Path(files["weights"]), {"m.weight": np.zeros((4, 4), np.float16)}, {})
        assert run(files, "--check", files["reference"]) == 1
        assert "was not computed from the weights in" in capsys.readouterr().err

    def test_a_reference_of_other_outputs(self, files, capsys):
        write_arrays(Path(files["reference"]), {"y": np.zeros(1, np.float32)}, {})
        assert run(files, "--check", files["reference"]) == 1
        printed = capsys.readouterr().err
        assert "note: 'logits' has no reference" in printed

    def test_a_module_without_a_program(self, files, capsys):
        Path(files["p.mlir"]).write_text("builtin.module {\n}\n")
        assert run(files) == 1
        printed = capsys.readouterr().err
        assert f"{files['p.mlir']}:1:1: error: the module holds no tcc.program" in printed
        assert "emit=DIR" in printed

    def test_text_that_is_no_module(self, files, capsys):
        Path(files["p.mlir"]).write_text("builtin.module {\n  oops\n}\n")
        assert run(files) == 1
        assert f"{files['p.mlir']}:2:" in capsys.readouterr().err

    def test_outputs_that_cannot_be_written_are_told_before_the_work(
        self, files, monkeypatch, capsys
    ):
        calls = simulator(monkeypatch, LOGITS)
        assert run(files, "--outputs", "/nonexistent/outputs") == 1
        assert calls == []
        assert "cannot write '/nonexistent/outputs'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to do: give --inputs and --weights, or --timing"),
        (["--inputs", "i"], "--inputs needs --weights or --images"),
        (["--weights", "w"], "--weights needs --inputs"),
        (["--timing", "--check", "c"], "--check needs --inputs"),
        (["--trace", "t", "--periods", "2"], "--periods has no meaning without --timing"),
        (["--timing", "--periods", "0"], "--periods 0: must be at least 1"),
        (["--inputs", "i", "--weights", "w", "--tolerance", "1"], "no meaning without --check"),
        (
            ["--inputs", "i", "--weights", "w", "--check", "c", "--tolerance", "nan"],
            "--tolerance nan: must be a number from 0 on",
        ),
        (["--inputs", "i", "--weights", "w", "--tolerance", "x"], "invalid float value: 'x'"),
        (["--inputs", "i", "--wieghts", "w"], "unrecognized arguments"),
    ],
)
def test_wrong_usage(options: list[str], message: str, capsys):
    assert asic_run.main(["p.mlir", *options]) == 1
    printed = capsys.readouterr()
    assert "asic-run: error: " in printed.err
    assert message in printed.err
    assert "note: asic-run --help shows the arguments" in printed.err


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("timing") / "vision.mlir"
    path.write_text(program_text(generate(model("vision"), plan("vision", 4))))
    return str(path)


class TestTiming:
    def test_cycles_are_those_of_the_simulator(self, program: str, capsys):
        module = parse_module(Path(program).read_bytes(), program)
        for options, periods in (([], 2), (["--periods", "3"], 3)):
            assert asic_run.main([program, "--timing", *options]) == 0
            printed = capsys.readouterr()
            assert printed.out == simulate_timing(module, periods).table()
            assert f"of {periods} periods" in printed.out
            assert printed.err == ""

    def test_a_trace_is_written(self, program: str, tmp_path: Path, capsys):
        path = tmp_path / "trace.json"
        assert asic_run.main([program, "--trace", str(path)]) == 0
        assert json.loads(path.read_text())["traceEvents"]
        assert capsys.readouterr().out == ""

    def test_a_program_that_never_ends_is_an_error(self, program: str, tmp_path: Path, capsys):
        module = parse_module(Path(program).read_bytes(), program)
        send = next(op for op in module.walk() if isinstance(op, tcc.SendOp | tcc.MulticastOp))
        for use in list(send.token.uses):
            use.operation.detach()
            use.operation.erase()
        send.detach()
        send.erase()
        broken = tmp_path / "broken.mlir"
        broken.write_text(program_text(module))
        assert asic_run.main([str(broken), "--timing"]) == 1
        printed = capsys.readouterr()
        assert "error: the programs do not come to their end" in printed.err
        assert printed.out == ""


def test_help_teaches_and_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from asic_compiler.tools import asic_run\n"
        "try:\n    asic_run.main(['--help'])\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'torch', 'numpy', 'xdsl', 'numba', 'safetensors'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
    assert "--with-weights run/" in done.stdout
