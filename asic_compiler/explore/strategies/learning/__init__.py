"""What learners share of PyTorch: layers, an optimiser, and their state."""
