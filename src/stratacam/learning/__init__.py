"""Prepared volumes to a trained and evaluated classifier."""
