"""asic-translate: the frame with a translation of the test, the table with a real one."""

import io
import re
import sys
from pathlib import Path

import pytest
from xdsl.dialects.builtin import ModuleOp

from asic_compiler.technology.library import load_node
from asic_compiler.tools import asic_translate
from asic_compiler.tools.asic_translate import TEXT_TRANSLATIONS, TRANSLATIONS, Translation

# One projection on one token, as torch-mlir prints it: weight by name, transposed, matmul.
PROJECTION = """\
module attributes {asic.workload = {name = "tiny", phase = "decode", batch = 3 : i64,
                                    context = 8 : i64, tokens = 3 : i64}} {
  func.func @main(%x: tensor<3x16xf32>) -> tensor<3x32xf32> {
    %w = arith.constant dense_resource<w> : tensor<16x32xf32>
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<3x32xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<3x32xf32>) -> tensor<3x32xf32>
    %y = linalg.matmul ins(%x, %w : tensor<3x16xf32>, tensor<16x32xf32>)
                       outs(%f : tensor<3x32xf32>) -> tensor<3x32xf32>
    func.return %y : tensor<3x32xf32>
  }
}
"""


def functions(module: ModuleOp) -> str:
    return " ".join(op.name for op in module.walk())


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TRANSLATIONS, "to-names", Translation("names", functions))

    def call(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = asic_translate.main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_stdin_to_stdout(run):
    text = "func.func @f() {\n  func.return\n}\n"
    assert run("--to-names", stdin=text) == (0, "builtin.module func.func func.return\n", "")


def test_file_to_file(run, tmp_path):
    source, target = tmp_path / "in.mlir", tmp_path / "out.txt"
    source.write_text("func.func @f() {\n  func.return\n}\n")
    assert run(str(source), "--to-names", "-o", str(target)) == (0, "", "")
    assert target.read_text() == "builtin.module func.func func.return\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ([], "", "asic-translate: error: one of the arguments --to-workload"),
        (["--to-nowhere"], "", "asic-translate: error: "),
        (["--to-workload", "--to-names"], "", "not allowed with argument"),
        (["--to-names", "nowhere.mlir"], "", "no such file: 'nowhere.mlir'"),
        (["--to-names"], "", "<stdin>:1:1: error: empty input"),
        (["--to-names"], "func.func @f() {", "<stdin>:1:17: error: "),
        (["--to-names"], "func.func @f(%a: i32) {\n  func.return %a : i32\n}", "<stdin>:2:3: "),
    ],
)
def test_what_is_wrong(run, arguments, stdin, message):
    code, out, err = run(*arguments, stdin=stdin)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err


def test_help_names_every_translation(capsys):
    with pytest.raises(SystemExit) as ending:
        asic_translate.main(["--help"])
    assert ending.value.code == 0
    out = capsys.readouterr().out
    assert [name for name in TRANSLATIONS | TEXT_TRANSLATIONS if f"--{name}" not in out] == []


def test_a_cell_library_becomes_a_technology_file_that_rl_explore_takes(run, tmp_path):
    library = Path(__file__).parents[2] / "examples" / "cells.lib"
    out = tmp_path / "my.toml"
    assert run("--liberty-to-tech", "--node", "7", str(library), "-o", str(out)) == (0, "", "")
    assert load_node("7nm", str(out)).density.gates == pytest.approx(1e6 / 0.03, rel=1e-5)
    code, _, err = run("--liberty-to-tech", stdin="library (l) {\n  x = 1\n}")
    assert code == 1
    assert err.startswith("<stdin>:2:5: error: not Liberty: expected '(' or ':', not '='")


def test_the_workload_of_linalg(run):
    code, out, err = run("--to-workload", stdin=PROJECTION)
    assert (code, err) == (0, "")
    # 3 tokens x 32 x 16, computed from the shapes.
    assert re.search(r"\b1,?536\b", out)
    assert "matmul" in out


def test_the_workload_does_not_need_torch():
    import subprocess

    program = (
        "import sys\n"
        "from asic_compiler.tools.asic_translate import main\n"
        "code = main(['--to-workload'])\n"
        "sys.exit(code or ('torch' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=PROJECTION,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
