"""Configurations of the learner for tests that ask what happens, and not how well."""

from asic_compiler.explore.strategies.sac_moe.config import SacMoeConfig

HASTY = SacMoeConfig(
    hidden=16, batch=16, environments=8, patient_budget=0, surrogate_hidden=16, surrogate_start=20,
    surrogate_updates=2,
)  # fmt: skip
"""Every part is there, none thinks for long."""
