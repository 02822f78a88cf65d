"""Instrument drivers: everything that speaks an instrument's language."""
