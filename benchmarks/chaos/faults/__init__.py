"""A folder for PYTHONPATH: what is in it makes files fail."""
