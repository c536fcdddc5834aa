"""Which architectures go all the way from PyTorch to a program that computes the same."""
