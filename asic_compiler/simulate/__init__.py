"""Programs of the ``tcc`` dialect, executed on real tensors and in time."""

from asic_compiler.simulate.functional.run import run_functional as run_program

__all__ = ["run_program"]
