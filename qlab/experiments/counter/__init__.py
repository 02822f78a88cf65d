"""Logging counters: `qlab run counter`."""
