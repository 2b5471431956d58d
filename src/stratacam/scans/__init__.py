"""Scans as delivered to prepared volumes: registered, bias-corrected, masked, normalised."""
