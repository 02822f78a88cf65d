"""Statistics of frequency stability, with gaps, noise and confidence limits."""

from protocols.stability.estimate import Stability, stability
from protocols.stability.table import STATISTICS

__all__ = ["STATISTICS", "Stability", "stability"]
