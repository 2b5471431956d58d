"""Baselines on the same splits as the networks."""
