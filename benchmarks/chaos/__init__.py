"""`python -m benchmarks.chaos`: a study under fire ends as one that was left in peace."""
