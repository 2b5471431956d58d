"""Where in the brain heat lies: the template, regions, and comparisons of groups."""
