from __future__ import annotations

from pathlib import Path

import pytest
from program_models import model, parse, plan
from xdsl.utils.exceptions import VerifyException

from asic_compiler.diagnostics import UserError
from asic_compiler.dialects import tcc
from asic_compiler.program.emit import program_text, write_program
from asic_compiler.program.generate import generate


def test_the_file_reads_back_and_verifies(tmp_path: Path):
    module = generate(model("vision"), plan("vision", 1))
    target = tmp_path / "program.mlir"
    write_program(target, module)
    assert program_text(parse(target.read_text())) == program_text(module)
    assert list(tmp_path.iterdir()) == [target]


def test_an_older_file_is_replaced(tmp_path: Path):
    target = tmp_path / "program.mlir"
    target.write_text("old")
    write_program(target, generate(model("vision"), plan("vision", 1)))
    assert "tcc.program" in target.read_text()


def test_a_missing_folder_is_the_users_error(tmp_path: Path):
    module = generate(model("vision"), plan("vision", 1))
    with pytest.raises(UserError, match="cannot write"):
        write_program(tmp_path / "none" / "program.mlir", module)


def test_a_broken_module_is_not_written(tmp_path: Path):
    module = generate(model("vision"), plan("vision", 1))
    next(op for op in module.ops if isinstance(op, tcc.WeightOp)).detach()
    with pytest.raises(VerifyException, match=r"is not a tcc\.weight"):
        write_program(tmp_path / "program.mlir", module)
    assert list(tmp_path.iterdir()) == []
