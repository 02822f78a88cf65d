"""Statistics of frequency stability."""
