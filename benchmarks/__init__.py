"""What the maps cost: time, memory and start-up, against what is possible and against other libraries."""
