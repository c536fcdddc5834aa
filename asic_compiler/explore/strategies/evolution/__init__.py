"""The search that carries a learner today: moves from good designs, judged in imagination."""
