"""What `benchmarks/search.py` is made of: workloads, runs, their records, and figures of them."""
