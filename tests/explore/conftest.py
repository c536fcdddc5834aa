"""What holds for every test of the searches."""

import torch

# Networks of a few hundred rows: a second thread only waits, on a busy machine for minutes.
torch.set_num_threads(1)
