"""From the bytes of instruments' files to time tags, in pieces of any length."""
