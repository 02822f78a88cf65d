"""Finding the common time of two stations from the tags of photon pairs."""
