"""asic-opt as a user meets it: input, output, options and passes in order."""

import os
import re
from pathlib import Path

import passes_for_tests
import pytest
from passes_for_tests import FUNCTION


class TestInputAndOutput:
    def test_file_to_stdout(self, run, source):
        code, out, err = run(source)
        assert (code, err) == (0, "")
        assert "arith.addi" in out

    @pytest.mark.parametrize("arguments", [[], ["-"]])
    def test_stdin(self, run, arguments):
        code, out, _ = run(*arguments, stdin=FUNCTION)
        assert code == 0
        assert "arith.addi" in out

    def test_output_file(self, run, source, tmp_path):
        target = tmp_path / "out.mlir"
        assert run(source, "-o", str(target)) == (0, "", "")
        assert "arith.addi" in target.read_text()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mlir", "out.mlir"]

    def test_output_onto_the_input(self, run, source):
        assert run(source, "-o", source).code == 0
        assert run(source).code == 0

    def test_an_error_leaves_the_old_output(self, run, source, tmp_path):
        target = tmp_path / "out.mlir"
        target.write_text("old")
        assert run(source, "--test-end", "-o", str(target)).code == 1
        assert target.read_text() == "old"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mlir", "out.mlir"]

    def test_the_file_mode_obeys_the_umask(self, run, source, tmp_path):
        run(source, "-o", str(tmp_path / "out.mlir"))
        assert (tmp_path / "out.mlir").stat().st_mode == Path(source).stat().st_mode

    def test_a_symbolic_link_stays_one(self, run, source, tmp_path):
        (tmp_path / "target.mlir").touch()
        (tmp_path / "link.mlir").symlink_to(tmp_path / "target.mlir")
        assert run(source, "-o", str(tmp_path / "link.mlir")).code == 0
        assert (tmp_path / "link.mlir").is_symlink()
        assert "arith.addi" in (tmp_path / "target.mlir").read_text()

    def test_a_device_is_written_in_place(self, run, source):
        assert run(source, "-o", os.devnull).code == 0
        assert not Path(os.devnull).is_file()

    def test_a_pipe_behind_a_link_is_written_in_place(self, run, source):
        ours, theirs = os.pipe()
        with os.fdopen(ours, encoding="utf-8") as reader:
            # What /dev/stdout points to: a name that no file has, since a pipe has none.
            assert run(source, "-o", f"/proc/self/fd/{theirs}") == (0, "", "")
            os.close(theirs)
            assert "arith.addi" in reader.read()

    def test_a_link_into_nowhere_is_refused_before_the_work(self, run, source, tmp_path):
        (tmp_path / "link.mlir").symlink_to(tmp_path / "absent" / "out.mlir")
        code, _, err = run(source, "--test-end=how=crash", "-o", str(tmp_path / "link.mlir"))
        assert code == 1
        assert f"there is no folder '{tmp_path / 'absent'}'" in err

    def test_a_missing_output_folder_is_refused_before_the_work(self, run, source):
        code, _, err = run(source, "--test-end=how=crash", "-o", "nowhere/out.mlir")
        assert code == 1
        assert "there is no folder 'nowhere'" in err

    def test_what_passes_print_goes_to_stderr(self, run, source):
        _, out, err = run(source, "--test-probe")
        assert "chatter" not in out
        assert "chatter" in err

    def test_output_parses_again(self, run, source):
        first = run(source, "--test-probe").out
        assert run(stdin=first).out == first

    def test_split_input(self, run):
        code, out, _ = run("--split-input-file", stdin=f"{FUNCTION}// -----\n{FUNCTION}")
        assert code == 0
        assert out.count("// -----") == 1
        assert out.count("arith.addi") == 2

    def test_all_parts_of_a_split_input_report(self, run):
        bad = "func.func @f(%a: i32) {\n  %b = nope\n}\n"
        code, out, err = run(
            "--split-input-file", stdin=f"{bad}// -----\n{FUNCTION}// -----\n{bad}"
        )
        assert (code, out) == (1, "")
        places = re.findall(r"^<stdin>:(\d+):\d+: error", err, re.MULTILINE)
        assert places == ["2", "11"]

    def test_verify_diagnostics_prints_and_succeeds(self, run):
        code, out, _ = run("--verify-diagnostics", stdin="func.func @f() {nope}\n")
        assert code == 0
        assert re.match(r"<stdin>:\d+:\d+: error: ", out)

    def test_print_debuginfo_shows_the_place_of_each_operation(self, run, source):
        out = run(source, "--print-debuginfo").out
        assert re.search(r'arith\.addi .*loc\(".*in\.mlir":2:3\)', out)


class TestPassesInOrder:
    def test_flags_and_pipelines_mix_in_command_line_order(self, run, source):
        out = run(
            source,
            "--test-probe=evaluations=1",
            "-p",
            "canonicalize,test-probe{evaluations=2}",
            "--test-probe=evaluations=3",
        ).out
        for index, value in enumerate((1, 2, 3)):
            assert f"test.evaluations_{index} = {value} : i32" in out

    def test_a_flag_does_not_swallow_the_file(self, run, source):
        assert run("--test-probe", source).code == 0

    def test_time_and_ir_between_passes_go_to_stderr(self, run, source):
        result = run(source, "--test-probe", "-p", "cse", "--time-passes", "--print-between-passes")
        assert "test-probe: 0." in result.err
        assert "// IR after test-probe" in result.err
        assert "IR after" not in result.out


class TestOptions:
    def test_the_whole_line(self, probe):
        built = probe(
            "--test-probe=node=5nm mode=low-power evaluations=1e3 seed=0 clock-hz=10e6 "
            'emit=demo/out-1.x goal="maximize tokens_per_s subject to power <= 51 W" '
            "rows=3,4,5 weights=0.4,0.4,0.2 verbose"
        )
        assert built == passes_for_tests.ProbePass(
            node="5nm",
            mode="low-power",
            evaluations=1000,
            seed=0,
            clock_hz=10e6,
            emit="demo/out-1.x",
            goal="maximize tokens_per_s subject to power <= 51 W",
            rows=(3, 4, 5),
            weights=(0.4, 0.4, 0.2),
            verbose=True,
        )

    def test_the_same_text_in_a_pipeline(self, probe):
        text = 'node=5nm emit=demo/out goal="a, b} c" rows=1,2'
        assert probe("-p", f"cse,test-probe{{{text}}},cse") == probe(f"--test-probe={text}")

    def test_defaults(self, probe):
        assert probe("--test-probe") == passes_for_tests.ProbePass()
        assert probe("--test-probe=") == passes_for_tests.ProbePass()

    @pytest.mark.parametrize(
        ("text", "field", "value"),
        [
            ("evaluations=0x10", "evaluations", 16),
            ("clock_hz=3", "clock_hz", 3.0),
            ("rows={1, 2}", "rows", (1, 2)),
            ("rows=1", "rows", (1,)),
            ("goal='it is'", "goal", "it is"),
            (r'goal="a \"b\""', "goal", 'a "b"'),
            ('goal="50 µm"', "goal", "50 µm"),
            ("goal=", "goal", ""),
            ("node=10MHz", "node", "10MHz"),
            ("node=3", "node", "3"),
            ("verbose=false", "verbose", False),
            ("emit", "emit", None),
        ],
    )
    def test_one_value(self, probe, text, field, value):
        built = probe(f"--test-probe={text}")
        assert getattr(built, field) == value
        assert type(getattr(built, field)) is type(value)

    @pytest.mark.parametrize(
        ("text", "column", "message"),
        [
            ("node=3nm nod=5nm", 10, "test-probe has no option 'nod'"),
            ("evaluations=many", 1, "'evaluations' of test-probe takes an integer, not 'many'"),
            ("evaluations=1.5e0", 1, "takes an integer, not '1.5e0'"),
            ("clock_hz=fast", 1, "takes a number, not 'fast'"),
            ("mode=low-pwer", 1, "takes one of high-performance, low-power, not 'low-pwer'"),
            ("verbose=yes", 1, "takes true or false, not 'yes'"),
            ("weights=1,2", 1, "takes a list of a number, not '1,2'"),
            ("rows=1,x", 1, "takes a list of an integer, not '1,x'"),
            ("seed", 1, "option 'seed' of test-probe needs a value"),
            ("seed=1 seed=2", 8, "option 'seed' is given twice"),
            ("seed=1 , 2", 8, "expected an option name, not ','"),
            ('goal="open', 6, "the quote is never closed"),
            ("goal=a,b", 1, "takes text, not 'a,b'"),
            ("evaluations=-1", 1, "evaluations must not be negative"),
        ],
    )
    def test_what_is_wrong_and_where(self, probe, text, column, message):
        error = probe(f"--test-probe={text}")
        assert isinstance(error, str)
        assert error.startswith(f"--test-probe:1:{column}: error: ")
        assert message in error

    def test_an_unknown_option_names_the_legal_ones(self, probe):
        error = probe("--test-probe=evaluation=3")
        assert "note: did you mean 'evaluations'?" in error
        assert "note: options of test-probe: node, mode, evaluations, seed" in error

    def test_a_pipeline_points_into_its_text(self, probe):
        assert probe("-p", "cse,test-probe{sed=1}").startswith("-p:1:16: error: ")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("cse,", "-p:1:5: error: expected the name of a pass"),
            ("test-probe{seed=1", "-p:1:11: error: '{' is never closed"),
            ("test-probe}", "-p:1:11: error: unexpected '}'"),
            ("test-probe{seed=1} x", "-p:1:20: error: expected ',' or the end after a pass"),
            ("cse{x=1}", "-p:1:1: error: Provided arguments"),
            ("nope", "-p:1:1: error: unknown pass 'nope'"),
            ("cse,canonicalise", "-p:1:5: error: unknown pass 'canonicalise'"),
        ],
    )
    def test_wrong_pipelines(self, run, source, text, message):
        code, out, err = run(source, "-p", text)
        assert (code, out) == (1, "")
        assert err.startswith(message)

    def test_a_missing_option(self, run, source):
        code, _, err = run(source, "--test-required")
        assert code == 1
        assert "test-required needs the option 'path'" in err


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message", "note"),
        [
            (["--test-prob"], "unknown flag or pass '--test-prob'", "did you mean '--test-probe'?"),
            (["--canonicalise"], "unknown flag or pass", "-p canonicalize"),
            (["-p", "test-prob"], "unknown pass 'test-prob'", "did you mean 'test-probe'?"),
            (["--frobnicate=3"], "unknown flag or pass '--frobnicate'", "see asic-opt --help"),
            (["second.mlir"], "unexpected argument 'second.mlir'", "one input file"),
            (["-o"], "expected one argument", "--help"),
            (["-t", "nope"], "invalid choice: 'nope'", "--help"),
            (["-t", "x{"], "-t/--target", ""),
        ],
    )
    def test_wrong_arguments(self, run, source, arguments, message, note):
        code, out, err = run(source, *arguments)
        assert (code, out) == (1, "")
        assert "error: " in err.splitlines()[0]
        assert message in err.splitlines()[0]
        assert note in err
        assert "Traceback" not in err

    def test_a_missing_file(self, run):
        assert run("nowhere.mlir").err == "asic-opt: error: no such file: 'nowhere.mlir'\n"

    def test_options_given_after_a_space(self, run):
        err = run("--test-probe", "node=3nm").err
        assert 'note: pass options follow an equals sign: --rl-explore="node=3nm"' in err

    def test_a_folder(self, run, tmp_path):
        assert "is a folder" in run(str(tmp_path)).err
