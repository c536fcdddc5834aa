"""Models and designs of the program tests serve here too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "program"))
