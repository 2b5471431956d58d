"""What the page says in sentences."""
