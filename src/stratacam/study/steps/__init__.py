"""The steps of a study, each a module: its tasks, what it depends on, and how it is done."""
