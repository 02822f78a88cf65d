"""Parties whose process was lost in a recorded run: in its replay they fail at the same place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from protocols.entropy import Entropy
from qlab.errors import QlabError

__all__ = ["Doom", "Turns", "doomed"]

P = TypeVar("P")
#: What a run asks of a party.
_ERRANDS = frozenset(("start", "receive", "result", "key"))


@dataclass(frozen=True)
class Doom:
    """How a party's process was lost.

    Attributes
    ----------
    turns : int
        What it had done before: errands finished, and random bytes asked for and given.
    name, message, remedy : str
        The error that its run met with.
    """

    turns: int
    name: str
    message: str
    remedy: str

    @classmethod
    def of(cls, turns: int, error: QlabError) -> Doom:
        """Return what to keep of an error."""
        return cls(turns, type(error).__name__, error.message, error.remedy)

    @classmethod
    def read(cls, data: bytes) -> Doom:
        """Return what `data` says."""
        return cls(*json.loads(data))

    @property
    def data(self) -> bytes:
        """What a journal keeps."""
        return json.dumps([self.turns, self.name, self.message, self.remedy]).encode()

    @property
    def error(self) -> QlabError:
        """The error once more."""
        kind: type[QlabError] = type(self.name, (QlabError,), {})
        return kind(self.message, remedy=self.remedy)


class Turns:
    """Counts a party's turns, and ends it where it was lost."""

    def __init__(self, doom: Doom | None) -> None:
        self._doom = doom
        self._count = 0

    def take(self, entropy: Entropy) -> Entropy:
        """Return random bytes each taking of which is a turn."""
        return _Counted(entropy.take, self)

    def pads(self, pads: Callable[[str, int], bytes]) -> Callable[[str, int], bytes]:
        """Return pads each taking of which is a turn."""
        return _Counted(pads, self).take

    def check(self) -> None:
        """Raise the error that the run met with here, if any."""
        if self._doom is not None and self._count == self._doom.turns:
            raise self._doom.error

    def over(self) -> None:
        """Count a turn."""
        self.check()
        self._count += 1


class _Counted:
    def __init__(self, take: Callable[[str, int], bytes], turns: Turns) -> None:
        self._take, self._turns = take, turns

    def take(self, stream: str, count: int) -> bytes:
        self._turns.check()
        data = self._take(stream, count)
        self._turns.over()
        return data


def doomed(party: P, turns: Turns) -> P:
    """Return a party that ends where its process was lost."""
    return _Doomed(party, turns)  # type: ignore[return-value]  # it does all that the party does


class _Doomed:
    def __init__(self, party: Any, turns: Turns) -> None:
        self._party, self._turns = party, turns

    def __getattr__(self, name: str) -> Any:
        if name not in _ERRANDS:
            return getattr(self._party, name)
        if name in ("result", "key"):
            return self._run(lambda: getattr(self._party, name))
        return lambda *given: self._run(lambda: getattr(self._party, name)(*self._counted(given)))

    def _counted(self, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*given[:-1], self._turns.take(given[-1]))

    def _run(self, errand: Callable[[], Any]) -> Any:
        self._turns.check()
        done = errand()
        self._turns.over()
        return done
