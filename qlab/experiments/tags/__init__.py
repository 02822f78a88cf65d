"""Recording time tags."""
