"""The tables of the page, as rows of text."""
