"""Files of phase and frequency readings, and what their stability is."""
