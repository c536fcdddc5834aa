"""What an exploration leaves on disk: one folder a run."""
