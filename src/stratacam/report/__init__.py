"""A finished study to figures and one HTML page."""
