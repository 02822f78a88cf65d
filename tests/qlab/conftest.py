"""Lets the tests below import `small_runs`, which is beside this file."""
