"""What a learner borrows of PyTorch's and NumPy's global state, given back when it is done."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def one_deterministic_thread() -> Generator[None, None, None]:
    """Torch on one thread with deterministic algorithms, and everything as it was afterwards.

    With more threads the order of a sum may depend on their number, and so would the result. The
    global generators are restored too: some libraries seed them.
    """
    threads = torch.get_num_threads()
    deterministic = torch.get_deterministic_debug_mode()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    torch.set_num_threads(1)
    # As use_deterministic_algorithms(True), which would load torch._inductor: two seconds.
    torch.set_deterministic_debug_mode("error")
    try:
        with torch.random.fork_rng():  # pyright: ignore[reportUnknownMemberType]
            yield
    finally:
        torch.set_deterministic_debug_mode(deterministic)
        torch.set_num_threads(threads)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
