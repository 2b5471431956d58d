"""What `benchmarks.gpu` measures on a graphics card."""
