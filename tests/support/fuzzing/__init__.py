"""Inputs changed at random, from fixed seeds, and what readers may do with them.

An input follows from its target and its number alone, as long as what it is made from stays:
``fuzzed("timing", 17)`` makes it again.
"""

from fuzzing.judging import FaultError, Outcome, called, judged
from fuzzing.target import Target
from fuzzing.trying import TARGETS, fuzzed, made

__all__ = ["TARGETS", "FaultError", "Outcome", "Target", "called", "fuzzed", "judged", "made"]
