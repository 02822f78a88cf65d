"""Pulsed light seen from its clicks alone: repetition period, drift, and which pulse is which."""
