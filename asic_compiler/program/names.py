"""Attributes of a module of programs."""

OPERATORS = "tcc.operators"
"""How many operators the model has."""
PERIOD = "tcc.period"
"""Cycles between two micro-batches."""
