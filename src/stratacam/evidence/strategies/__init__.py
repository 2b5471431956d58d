"""Strategies: kinds of maps in one cohort, such as of those few scans in which the network follows a shortcut."""
