"""Workloads and random designs: those of the cost model's tests."""

from model_fixtures import draw, small

__all__ = ["draw", "small"]
