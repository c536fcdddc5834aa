"""Soft actor-critic with a mixture-of-experts policy over a hybrid action space."""
