"""From time tags to the bytes of files."""
