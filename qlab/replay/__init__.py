"""Replay: a recorded run through the same code and the same drivers."""

from qlab.replay.errors import Divergence, DivergenceError, JournalEndError
from qlab.replay.player import ReplayReport, reanalyse_run, replay_run

__all__ = [
    "Divergence",
    "DivergenceError",
    "JournalEndError",
    "ReplayReport",
    "reanalyse_run",
    "replay_run",
]
