"""The operator tables of the model's tests serve here too."""

import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1] / "ppa"))

# Networks of a few hundred rows: a second thread only waits, on a busy machine for minutes.
torch.set_num_threads(1)
