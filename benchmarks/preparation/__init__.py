"""How well and how fast scans are prepared, on real scans that came with reference transforms."""
