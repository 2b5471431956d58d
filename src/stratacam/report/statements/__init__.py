"""Texts to publish from: methods paragraph with its references, reporting check-lists, model card."""
