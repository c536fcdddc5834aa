"""``asic-opt``: reads MLIR, runs passes in command-line order, prints MLIR.

Only the questions that need no compiler are answered here (help, list, version, doctor); xDSL is
imported when there is IR to read.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence

from asic_compiler import __version__
from asic_compiler.registry import PASSES
from asic_compiler.tools.console import guarded
from asic_compiler.tools.pass_help import PassInfo, describe

_USAGE = """\
asic-opt [input.mlir] [--<pass>[="option=value ..."]]... [-o output.mlir]

Reads MLIR from a file or stdin, runs passes in the order of the command line, prints MLIR.

Examples
{examples}
Passes (options after an equals sign, each as key=value)
{passes}
  -p "pass{{key=value}},pass"  the same as one text; xDSL's own passes too (--list-passes)

Input and output
  -o FILE                       write there, whole or not at all; default stdout
  --split-input-file            process the parts between "// -----" lines one by one
  --allow-unregistered-dialect  let operations of unknown dialects through
  --no-implicit-module          do not wrap top-level operations into a module
  --print-op-generic            print the generic form
  --print-debuginfo             print the location of every operation
  -t TARGET                     print something else than MLIR (xDSL's targets)

Looking inside
  --print-between-passes        print the IR after each pass on stderr
  --time-passes                 print the seconds of each pass on stderr
  --verify-numerics[=SEED]      check after each pass, on small random inputs, that the module
                                computes the same (docs/simulation.md)
  --disable-verify              do not verify the IR between passes
  --verify-diagnostics          for tests: print errors on stdout and succeed
  --debug                       show the Python trace of an error
  --list-passes                 every pass, ours first
  --doctor                      check this installation and say how to mend it
  --version, --help

Exit code: 0 done, 1 wrong input or options, 70 a defect of the compiler.
"""

_EXAMPLES: dict[str, str] = {
    "": "asic-opt llama.mlir                    # parse, verify, print",
    "convert-linalg-to-asic": "asic-opt llama.mlir --convert-linalg-to-asic -o llama.asic.mlir",
    "rl-explore": (
        'asic-opt --rl-explore="node=3nm mode=high-performance emit=out" llama.mlir -o chip.mlir'
    ),
}
"""By the pass that an example needs: one that is not registered is not shown."""


_LITERAL = re.compile("'([^']*)'")


def help_text() -> str:
    """The whole answer to ``asic-opt --help``."""
    examples = "".join(
        f"  {example}\n" for name, example in _EXAMPLES.items() if not name or name in PASSES
    )
    passes = "\n".join(_pass_text(describe(name, entry)) for name, entry in PASSES.items())
    return _USAGE.format(examples=examples, passes=passes)


def _pass_text(info: PassInfo) -> str:
    lines = [f"  --{info.name}", _wrap(info.summary, " " * 6)]
    for option in info.options:
        choices = _LITERAL.findall(option.type) if option.type.startswith("Literal[") else []
        about = "; ".join(filter(None, [option.help, " or ".join(choices)])) or option.type
        if option.default is None:
            about += " (required)"
        elif option.default:
            about += f" (default {option.default})"
        lines.append(_wrap(about, f"      {option.name:20} "))
    return "\n".join(lines) + "\n"


def _wrap(text: str, start: str) -> str:
    return textwrap.fill(
        text,
        96,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )


def _list_passes() -> str:
    lines = [f"{name:32} {describe(name, entry).summary}" for name, entry in PASSES.items()]
    from xdsl.transforms import get_all_passes

    lines += [f"{name:32} (xDSL)" for name in sorted(get_all_passes()) if name not in PASSES]
    return "\n".join(lines) + "\n"


def _run(arguments: Sequence[str]) -> int:
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(help_text())
        return 0
    if "--list-passes" in arguments:
        sys.stdout.write(_list_passes())
        return 0
    if "--version" in arguments:
        from importlib.metadata import version

        print(f"asic-opt {__version__} (xDSL {version('xdsl')})")
        return 0
    if "--doctor" in arguments:
        from asic_compiler.tools.doctor import run_doctor

        return run_doctor()
    from asic_compiler.tools.driver import AsicOptMain

    AsicOptMain(args=arguments).run()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The ``asic-opt`` command.

    Args:
        arguments: Without the program's name; default those of the process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    return guarded("asic-opt", lambda: _run(given), debug="--debug" in given)


if __name__ == "__main__":
    sys.exit(main())
