"""Evidence from maps, the model and the truth: which layer's map to believe."""
