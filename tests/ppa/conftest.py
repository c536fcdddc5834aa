"""Models and designs that the tests of the cost model share."""

from model_fixtures import draw, llama, make_model, small

__all__ = ["draw", "llama", "make_model", "small"]
