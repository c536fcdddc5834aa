"""The state of a search as one file: written whole or not at all, read with suspicion."""
