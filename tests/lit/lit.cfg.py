"""lit: runs the RUN lines of the .mlir files with the tools of this environment.

lit puts ``config`` into the globals of this file.
"""

import sys
from pathlib import Path

import lit.formats

config.name = "asic-compiler"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["Inputs", "Output"]
config.test_source_root = Path(__file__).parent.as_posix()

# The tools of the environment that runs lit come first; `not` is lit's own.
tools = Path(sys.executable).parent.as_posix()
config.environment["PATH"] = f"{tools}:{config.environment['PATH']}"
# Columns of error messages must not depend on the terminal.
config.environment["COLUMNS"] = "100"
# lit runs as many files at once as there are cores.
config.environment["OMP_NUM_THREADS"] = "1"
