"""--verify-numerics of asic-opt and asic-import: what it finds, and what it says it cannot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr

from asic_compiler.dialects import asic
from asic_compiler.frontends.context import make_context
from asic_compiler.frontends.mlir_text import parse_mlir
from asic_compiler.interpret.guard import NumericsError
from asic_compiler.passes.convert_linalg_to_asic import ConvertLinalgToAsic
from asic_compiler.simulate import run_program
from asic_compiler.tools import asic_import, asic_opt, numerics

MODELS = Path(__file__).parent.parent / "simulate" / "models"
SQUARE = """func.func @main(%x: tensor<4x8xf16>) -> tensor<4x8xf32> {
  %w = arith.constant dense_resource<w> : tensor<8x8xf16>
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x8xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  %r = linalg.matmul ins(%x, %w : tensor<4x8xf16>, tensor<8x8xf16>)
    outs(%f : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %r : tensor<4x8xf32>
}
"""
PROGRAM = (
    'rl-explore{node="7nm" strategy="random" evaluations=32 quiet=true},'
    "asic-schedule,convert-asic-to-tcc"
)


@pytest.fixture
def square(tmp_path: Path) -> str:
    path = tmp_path / "square.mlir"
    path.write_text(SQUARE)
    return str(path)


def test_a_pipeline_down_to_programs_is_right_and_quiet(square: str, capsys: Any) -> None:
    assert asic_opt.main([square, "--verify-numerics=3", "-p", PROGRAM]) == 0
    printed = capsys.readouterr()
    assert "tcc.program" in printed.out
    assert printed.err == ""


def test_a_pass_that_changes_the_result_is_named(
    square: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_ = ConvertLinalgToAsic.apply

    def breaks(self: ConvertLinalgToAsic, ctx: Context, op: ModuleOp) -> None:
        raise_(self, ctx, op)
        (product,) = (op for op in op.walk() if isinstance(op, asic.MatmulOp))
        product.transpose_rhs = None if product.transpose_rhs else UnitAttr()

    monkeypatch.setattr(ConvertLinalgToAsic, "apply", breaks)
    assert asic_opt.main([square, "--convert-linalg-to-asic"]) == 0
    assert asic_opt.main([square, "--verify-numerics", "--convert-linalg-to-asic"]) == 70
    error = capsys.readouterr().err
    assert "convert-linalg-to-asic changed what the module computes: result 'result0' at [" in error
    assert "this is a defect of the compiler" in error


def test_a_program_that_gives_something_else_is_found(
    square: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_one_row(*arguments: Any) -> dict[str, Any]:
        return {name: np.roll(a, 1, axis=0) for name, a in run_program(*arguments).items()}

    monkeypatch.setattr(numerics, "run_program", off_by_one_row)
    assert asic_opt.main([square, "--verify-numerics", "-p", PROGRAM]) == 70
    assert "convert-asic-to-tcc changed what the module computes" in capsys.readouterr().err


def test_what_cannot_be_checked_is_said(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "scalars.mlir"
    path.write_text("func.func @f(%a: i32) -> i32 {\n  func.return %a : i32\n}\n")
    assert asic_opt.main([str(path), "--verify-numerics", "-p", "cse"]) == 0
    error = capsys.readouterr().err
    assert "note: --verify-numerics: the input is not checked: a value of type i32" in error
    assert "what cse writes is not checked" in error


def test_quantised_programs_are_not_compared_and_said(square: str, capsys: Any) -> None:
    narrow = PROGRAM.replace("quiet=true", "quiet=true weight_bits=8")
    assert asic_opt.main([square, "--verify-numerics", "-p", narrow]) == 0
    assert "'w' is stored in fewer bits than the model has" in capsys.readouterr().err


def test_parts_of_a_file_are_checked_one_by_one(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "parts.mlir"
    path.write_text(f"{SQUARE}// -----\n{SQUARE.replace('4x8', '2x8')}")
    arguments = [str(path), "--split-input-file", "--verify-numerics", "--convert-linalg-to-asic"]
    assert asic_opt.main(arguments) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seed", ["x", "-1", "1.5", "", "9999999999"])
def test_a_seed_that_is_none(square: str, seed: str, capsys: Any) -> None:
    assert asic_opt.main([square, f"--verify-numerics={seed}"]) == 1
    assert f"error: --verify-numerics={seed}: the seed is a number" in capsys.readouterr().err


def test_weights_whose_data_is_in_the_text_are_taken_as_they_are() -> None:
    numbers = np.arange(4, dtype=np.float16) - 1.5
    blob = "0x02000000" + numbers.tobytes().hex()
    text = f"""func.func @main() -> tensor<2x2xf16> {{
  %w = arith.constant dense_resource<w> : tensor<2x2xf16>
  return %w : tensor<2x2xf16>
}}
{{-# dialect_resources: {{ builtin: {{ w: "{blob}" }} }} #-}}
"""
    context = make_context()
    module = parse_mlir(context, text, "weights.mlir")
    np.testing.assert_array_equal(numerics.data_of(context, module)["w"], numbers.reshape(2, 2))


def test_an_import_is_compared_with_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(MODELS)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(os, "environ", os.environ.copy())
    output = tmp_path / "mlp.mlir"
    arguments = ["small_models:mlp", "--verify-numerics", "--with-weights", str(tmp_path)]
    assert asic_import.main([*arguments, "-o", str(output)]) == 0
    assert "note: --verify-numerics" not in capsys.readouterr().err
    text = output.read_text()
    wrong = text.replace('"arith.addf"', '"arith.subf"', 1)
    assert wrong != text
    with pytest.raises(NumericsError, match="the import"):
        numerics.verify_import(wrong, "mlp", tmp_path)
