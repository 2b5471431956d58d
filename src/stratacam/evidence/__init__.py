"""Maps, the model and the truth to evidence: which layer's map is to be believed."""
