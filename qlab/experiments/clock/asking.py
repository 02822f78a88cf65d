"""How often a clock is asked for its state."""

from __future__ import annotations

__all__ = ["Asking"]

_MOST = 64


class Asking:
    """Says when to ask: every so many readings, and ever less often while no answer comes.

    A question without an answer costs readings, since they wait for it. It is asked again
    after 1, 2, 4 ... readings, at most 64 times the usual number.

    Parameters
    ----------
    every : int
        Readings from one question to the next.

    Attributes
    ----------
    failures : int
        Questions in a row that were not answered.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._left = 0
        self.failures = 0

    def due(self) -> bool:
        """Return whether to ask at this reading; call it once for each."""
        if self._left:
            self._left -= 1
            return False
        return True

    def answered(self, well: bool) -> None:
        """Learn whether the question was answered."""
        self.failures = 0 if well else self.failures + 1
        wait = self._every if well else min(1 << min(self.failures - 1, 30), _MOST * self._every)
        self._left = wait - 1
