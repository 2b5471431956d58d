"""Honest classifiers of brain MRI, and maps of what every layer of the network looked at."""
