"""The whole study: configuration, steps, what is done already, and where it runs."""
