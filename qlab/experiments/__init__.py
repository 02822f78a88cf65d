"""Experiments: instruments and protocols in, a run file out."""

__all__ = ["EXPERIMENTS"]

#: Where each experiment is; a table of the same name in the station file sets it up.
EXPERIMENTS = {"bb84": "qlab.experiments.bb84.planning:planned_bb84"}
