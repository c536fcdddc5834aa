"""asic-opt as a user meets it: output, messages, exit codes."""

import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import typing
from pathlib import Path

import passes_for_tests
import pytest
from xdsl.passes import ModulePass

from asic_compiler.registry import PASSES, Entry
from asic_compiler.tools import asic_opt, doctor
from asic_compiler.tools.pass_help import describe

FUNCTION = """\
func.func @f(%a: i32) -> i32 {
  %b = arith.addi %a, %a : i32
  func.return %b : i32
}
"""

TEST_PASSES = {
    "test-probe": Entry("passes_for_tests", "ProbePass"),
    "test-required": Entry("passes_for_tests", "RequiredPass"),
    "test-end": Entry("passes_for_tests", "EndPass"),
}


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


class TestHelp:
    def test_help_teaches_passes_with_options_and_defaults(self, run):
        code, out, err = run("--help")
        assert (code, err) == (0, "")
        assert "--test-probe" in out
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
