"""asic-opt on wrong input, and how it ends: messages and exit codes."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from passes_for_tests import FUNCTION


class TestWrongInput:
    @pytest.mark.parametrize("text", ["", "\n\n", "  // only a comment\n", "// a\n// b"])
    def test_empty(self, run, text):
        code, out, err = run(stdin=text)
        assert (code, out) == (1, "")
        assert err.startswith("<stdin>:1:1: error: empty input")

    @pytest.mark.parametrize(
        ("text", "line", "column"),
        [
            ("func.func @f(%a: i32) -> i32 {\n  %b = arith.addi %a, %a", 2, 25),
            ("func.func @f(%a: i32) -> i32 {\n  %b = arith.addi %a, %a : i32\n", 3, 1),
            ("func.func @f() {\n  %0 = arith.addi %x, %x : i32\n  func.return\n}\n", 2, 19),
            ("#map = affine_map<(d0) -> (d0)>\n", 2, 1),
            ("func.func @f() {\n  func.return\n}\n}\n", 4, 1),
            ('"a.b"() : () -> ()\n', 1, 1),
            ("func.func @f() {\n  %0 = nope\n}", 2, 8),
        ],
    )
    def test_malformed(self, run, text, line, column):
        code, out, err = run(stdin=text)
        assert (code, out) == (1, "")
        assert err.startswith(f"<stdin>:{line}:{column}: error: "), err
        assert "Traceback" not in err

    def test_every_truncation_points_into_the_text(self, run):
        # Without a body it is a declaration, which is complete.
        for end in range(FUNCTION.index("{") + 1, len(FUNCTION) - 2):
            code, out, err = run(stdin=FUNCTION[:end])
            assert (code, out) == (1, ""), FUNCTION[:end]
            place = re.match(r"<stdin>:(\d+):(\d+): error: \S", err)
            assert place, err
            assert int(place[1]) <= FUNCTION[:end].count("\n") + 1

    def test_an_unregistered_operation_names_the_way_out(self, run):
        assert "--allow-unregistered-dialect" in run(stdin='"a.b"() : () -> ()').err
        assert run("--allow-unregistered-dialect", stdin='"a.b"() : () -> ()').code == 0

    def test_binary_input(self, run):
        err = run(stdin=b"func.func\n @f \xff\xfe").err
        assert err.startswith("<stdin>:2:5: error: not UTF-8 text")

    def test_bytecode(self, run):
        assert "bytecode" in run(stdin=b"ML\xefR\x01").err

    def test_a_verifier_error_points_at_the_operation(self, run):
        text = FUNCTION.replace("return %b : i32", "return %b, %b : i32, i32")
        code, out, err = run(stdin=text)
        assert (code, out) == (1, "")
        assert err.startswith("<stdin>:3:3: error: 'func.return': ")
        assert len(err.splitlines()) == 1

    def test_an_empty_block_points_at_the_operation_around_it(self, run):
        err = run(
            stdin='"func.func"() <{sym_name = "f", function_type = () -> ()}> ({\n'
            "^bb0:\n}) : () -> ()"
        ).err
        assert err.startswith("<stdin>:1:1: error: 'func.func': ")

    def test_a_location_that_is_written_down_is_kept(self, run):
        text = FUNCTION.replace("return %b : i32", 'return %b, %b : i32, i32 loc("model.py":12:4)')
        assert run(stdin=text).err.startswith("model.py:12:4: error: ")

    @pytest.mark.parametrize(
        "location",
        [
            '"matmul"("model.py":12:4)',
            'callsite("model.py":12:4 at "main.py":1:1)',
            'callsite("inlined" at "model.py":12:4)',
            'fused[unknown, "model.py":12:4, "other.py":1:1]',
        ],
    )
    def test_nested_locations(self, run, location):
        text = FUNCTION.replace("return %b : i32", f"return %b, %b : i32, i32 loc({location})")
        assert run(stdin=text).err.startswith("model.py:12:4: error: ")

    def test_a_location_without_a_file_falls_back_to_the_operation_around_it(self, run):
        text = FUNCTION.replace("return %b : i32", "return %b, %b : i32, i32 loc(unknown)")
        assert run(stdin=text).err.startswith("<stdin>:1:1: error: ")

    def test_nesting_without_end(self, run):
        code, _, err = run(stdin="!a = " + "tuple<" * 20000 + "i32" + ">" * 20000)
        assert code == 1
        assert "Traceback" not in err


class TestEndings:
    def test_a_user_error_of_a_pass(self, run, source):
        code, out, err = run(source, "--test-end")
        assert (code, out) == (1, "")
        assert err == (
            f"{source}:3:3: error: this cannot be built\n{source}:3:3: note: build another\n"
        )

    def test_a_failed_pass(self, run, source):
        code, _, err = run(source, "--test-end=how=failed")
        assert (code, err) == (1, f"{source}:1:1: error: test-end: no match\n")

    def test_a_file_that_a_pass_misses(self, run, source):
        code, _, err = run(source, "--test-end=how=missing-file")
        assert code == 1
        assert err == "asic-opt: error: No such file or directory: 'weights.safetensors'\n"

    def test_a_defect_is_one_line_and_70(self, run, source):
        code, out, err = run(source, "--test-end=how=crash")
        assert (code, out) == (70, "")
        assert err.splitlines()[0] == "asic-opt: internal error: KeyError: 'a defect' (in test-end)"
        assert "--debug" in err.splitlines()[1]

    def test_debug_shows_the_trace(self, run, source):
        code, _, err = run(source, "--test-end=how=crash", "--debug")
        assert code == 70
        assert "Traceback" in err

    def test_ir_that_a_pass_broke_is_a_defect(self, run, source):
        code, out, err = run(source, "--test-end=how=invalid")
        assert (code, out) == (70, "")
        assert "the IR after test-end does not verify" in err
        assert "func.return" in err

    def test_disable_verify_lets_it_through(self, source):
        # In a process of its own: xDSL switches attribute verification off for good.
        bad = FUNCTION.replace("return %b : i32", "return %b, %b : i32, i32")
        done = subprocess.run(
            [sys.executable, "-m", "asic_compiler.tools.asic_opt", "--disable-verify"],
            input=bad,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def test_ctrl_c(self, run, source):
        code, out, err = run(source, "--test-end=how=interrupt")
        assert (code, out, err) == (130, "", "asic-opt: interrupted\n")

    @pytest.mark.parametrize(
        ("text", "options", "code"),
        [("nonsense", (), 1), (None, ("--rl-explore=node=7nm evaluations=64 strategy=random",), 0)],
    )
    def test_closed_stderr_keeps_messages_out_of_the_module(self, text, options, code):
        mlp = Path(__file__).parents[2] / "lit" / "rl-explore" / "mlp.mlir"
        done = subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m",
             "asic_compiler.tools.asic_opt", *options],
            input=mlp.read_text() if text is None else text,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == code
        assert done.stdout.startswith("builtin.module" if code == 0 else "")
        assert "pipeline:" not in done.stdout
        assert "error:" not in done.stdout

    def test_a_reader_that_leaves_early(self, tmp_path):
        source = tmp_path / "big.mlir"
        source.write_text(
            "".join(f"func.func private @function_number_{i}()\n" for i in range(4000))
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "asic_compiler.tools.asic_opt", str(source)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert (process.wait(), err) == (128 + signal.SIGPIPE, b"")
