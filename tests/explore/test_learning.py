"""What learners borrow of PyTorch: an optimiser, a mode, and nothing that compiles."""

import subprocess
import sys
from pathlib import Path

import torch

from asic_compiler.explore.checkpoint.state import StateReader
from asic_compiler.explore.strategies.learning.adam import Adam
from asic_compiler.explore.strategies.learning.torch_state import one_deterministic_thread


def made(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=generator).requires_grad_() for shape in ((7, 5), (5,), (2,))
    ]


def moved(parameters, optimiser, steps, seed=1):
    """The last parameter has a gradient in every second step alone."""
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        optimiser.zero_grad()
        for parameter in parameters if step % 2 else parameters[:-1]:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimiser.step()
    return [parameter.detach().numpy().tobytes() for parameter in parameters]


def test_adam_is_that_of_torch_to_the_last_bit():
    ours, theirs = made(), made()
    wanted = moved(theirs, torch.optim.Adam(theirs, lr=3e-3, fused=True), 25)
    assert moved(ours, Adam(ours, 3e-3), 25) == wanted


def test_adam_goes_on_from_its_state():
    whole, first = made(), made()
    optimiser = Adam(first, 1e-2)
    moved(first, optimiser, 4)
    second = [parameter.detach().clone().requires_grad_() for parameter in first]
    resumed = Adam(second, 1e-2)
    resumed.restore(StateReader(optimiser.state()))
    once = Adam(whole, 1e-2)
    moved(whole, once, 4)
    assert moved(second, resumed, 3, seed=2) == moved(whole, once, 3, seed=2)


def test_the_mode_of_torch_is_given_back():
    torch.set_deterministic_debug_mode("warn")
    try:
        with one_deterministic_thread():
            assert torch.get_deterministic_debug_mode() == 2
        assert torch.get_deterministic_debug_mode() == 1
    finally:
        torch.set_deterministic_debug_mode("default")


def test_a_search_does_not_load_torch_s_compiler():
    """It took two seconds of every search: torch's own optimisers load it when they are made."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from toy_problems import WalkAndTune;"
        "from asic_compiler.explore.search import search;"
        "search(WalkAndTune(), 'sac-moe', 80);"
        "loaded = {'torch._dynamo', 'torch._inductor'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    folder = str(Path(__file__).parents[1] / "support")
    subprocess.run([sys.executable, "-c", script, folder], check=True)
