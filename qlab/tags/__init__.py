"""Files of time tags: opening, writing, correlating and synchronising them."""
