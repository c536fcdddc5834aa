from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asic_compiler.diagnostics import UserError
from asic_compiler.tools import asic_import

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture
def in_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_the_example_imports_with_a_report(in_examples, tmp_path: Path, capsys):
    output = tmp_path / "cnn.mlir"
    assert asic_import.main(["my_model:tiny_cnn", "--report", "-o", str(output)]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "my_model:tiny_cnn: inference, batch 1, 1 samples an execution" in printed.err
    assert "parameters: 5,418" in printed.err
    assert "tensor<1x3x32x32xf16>" in printed.err
    assert output.read_text().count("linalg.conv_2d_nchw_fchw") == 2
    assert [file.name for file in tmp_path.iterdir()] == ["cnn.mlir"]


def test_weights_inputs_and_reference_are_written_beside_the_module(
    in_examples, tmp_path: Path, capsys
):
    folder = tmp_path / "new" / "run"
    command = ["my_model:tiny_cnn", "--with-weights", str(folder), "--seed", "7"]
    assert asic_import.main(command) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("#map")
    assert f"asic-import: wrote {folder}/weights.safetensors" in printed.err
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["inputs.safetensors", "reference.safetensors", "weights.safetensors"]
    assert b'"seed":"7"' in (folder / "reference.safetensors").read_bytes()


@pytest.mark.parametrize("option", [["--seed", "0"], ["--force"]])
def test_options_of_weights_mean_nothing_without_them(option: list[str], capsys):
    assert asic_import.main(["llama-3.1-8b", *option]) == 1
    printed = capsys.readouterr()
    assert f"error: {option[0]} has no meaning here" in printed.err
    assert "note: it belongs to --with-weights DIR" in printed.err


def test_a_negative_seed_is_an_error(capsys, tmp_path: Path):
    command = ["llama-3.1-8b", "--seed", "-1", "--with-weights", str(tmp_path)]
    assert asic_import.main(command) == 1
    assert "error: --seed -1: must not be negative" in capsys.readouterr().err


def test_what_does_not_fit_into_memory_is_refused_early(capsys, tmp_path: Path, monkeypatch):
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 6 * 10**6}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    command = ["llama-3.1-8b", "--context", "64", "--with-weights", str(tmp_path)]
    assert asic_import.main(command) == 1
    printed = capsys.readouterr()
    assert "weights and inputs take 32.1 GB as f32" in printed.err
    assert "more than half of this machine's 24.6 GB" in printed.err


def test_the_module_goes_to_stdout_by_default(in_examples, capsys):
    assert asic_import.main(["my_model:tiny_cnn"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("#map")
    assert printed.err == ""


def test_what_a_model_prints_stays_out_of_the_module(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "chatty.py").write_text(
        "import torch\nprint('loading')\n"
        "def model():\n    print('building')\n"
        "    return torch.nn.ReLU(), (torch.zeros(2),)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    assert asic_import.main(["chatty:model"]) == 0
    printed = capsys.readouterr()
    assert "building" not in printed.out
    assert "loading\nbuilding" in printed.err


def test_an_error_is_one_message_and_exit_code_1(capsys):
    assert asic_import.main(["llama-3.1-8B"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[:2] == [
        "asic-import: error: unknown model 'llama-3.1-8B', and no such file or folder",
        "asic-import: note: did you mean llama-3.1-8b?",
    ]


def test_a_missing_output_folder_is_told_before_the_work(capsys):
    assert asic_import.main(["llama-3.1-8b", "-o", "/nonexistent/out.mlir"]) == 1
    assert "no folder '/nonexistent'" in capsys.readouterr().err


def test_a_failed_import_leaves_the_old_output(tmp_path: Path):
    output = tmp_path / "out.mlir"
    output.write_text("old")
    assert asic_import.main(["no-such-model", "-o", str(output)]) == 1
    assert output.read_text() == "old"


def test_writing_replaces_a_file_and_keeps_its_mode(tmp_path: Path):
    output = tmp_path / "out.mlir"
    output.write_text("old")
    output.chmod(0o640)
    asic_import.write_atomically(str(output), "new")
    assert output.read_text() == "new"
    assert output.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [output]


def test_writing_over_a_folder_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="cannot write"):
        asic_import.write_atomically(str(tmp_path), "text")


def test_the_reproducer_lies_beside_the_output():
    assert asic_import.reproducer_path("-") == "asic-import-reproducer.mlir"
    assert asic_import.reproducer_path("out/x.mlir") == "out/x.reproducer.mlir"


def test_help_teaches_and_loads_no_pytorch():
    code = (
        "import sys\n"
        "from asic_compiler.tools import asic_import\n"
        "try:\n    asic_import.main(['--help'])\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'torch', 'torch_mlir', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
    assert "smolvlm-2.2b" in done.stdout
