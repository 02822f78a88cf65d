"""Time tags: decoding, sorting, correlating, and finding two stations' common time."""
