"""What a station shares with another one while a session uses it: keys for meetings, and pads.

A pad counts as used as soon as its offset is on the disk, which is before anyone sees it;
then it is overwritten. Offsets only grow.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from qlab.errors import ExitCode, QlabError
from qlab.keystore import files
from qlab.keystore.carried import DIRECTIONS

__all__ = ["HEAD_BYTES", "Pair", "PairUnsafeError", "SharedFacts", "text"]

_KEY_BYTES = 16
HEAD_BYTES = 2 * _KEY_BYTES
"""What stands before the pads of a direction: its hash key and its calling key."""


class PairUnsafeError(QlabError):
    """What a pair shares may have been used by somebody else."""

    exit_code = ExitCode.INSECURE

    def __init__(self, message: str) -> None:
        super().__init__(
            message, remedy="make a new pair with `qlab key pair init` and erase this one"
        )


@dataclass(frozen=True)
class SharedFacts:
    """What is known of a pair besides its secrets.

    Attributes
    ----------
    name : str
        This side's name for it.
    pair_id : str
        The same on both sides.
    side : {'alice', 'bob'}
        Who this side is.
    created : str
        When the first secret was made, in UTC.
    used, held : dict
        Per direction, bytes of pads that are used up, and bytes there ever were.
    sessions : int
        How many there have been.
    mark, mark_before : str
        What the last session left on both sides, and the one before.
    other_store : str
        The other side's store, as it named itself in the first session.
    refills : tuple of str
        Ids of the keys that have gone into the pads.
    file_numbers : dict
        Per direction, the number of the pads' file on its disk.
    """

    name: str
    pair_id: str
    side: str
    created: str
    used: Mapping[str, int]
    held: Mapping[str, int]
    file_numbers: Mapping[str, int]
    sessions: int = 0
    mark: str = ""
    mark_before: str = ""
    other_store: str = ""
    refills: tuple[str, ...] = field(default=())

    def left(self, direction: str) -> int:
        """Return how many bytes of pads are left in a direction."""
        return self.held[direction] - self.used[direction]


def text(facts: SharedFacts) -> bytes:
    """Return the facts as their file has them."""
    return (json.dumps(asdict(facts), indent=2, sort_keys=True) + "\n").encode()


class Pair:
    """One side's share of a pair, while a session uses it.

    Made by `PairStore.open`. `take` is what the parties' authentication asks for pads.
    """

    def __init__(self, folder: Path, facts: SharedFacts) -> None:
        self._folder = folder
        self.facts = facts

    def hash_key(self, direction: str) -> bytes:
        """Return the 16 bytes of a direction's hash key."""
        return self._read(direction, 0, _KEY_BYTES)

    def calling_key(self, direction: str) -> bytes:
        """Return the 16 bytes by which a direction's side shows that it is no stranger.

        They serve nothing else, and no key rests on their staying secret.
        """
        return self._read(direction, _KEY_BYTES, _KEY_BYTES)

    def take(self, direction: str, count: int) -> bytes:
        """Return the next `count` bytes of a direction's pads, which nobody gets again.

        That they are used is on the disk before this returns.

        Raises
        ------
        QlabError
            If fewer are left.
        PairUnsafeError
            If they were used before.
        """
        start = self.facts.used[direction]
        if not 0 < count <= self.facts.left(direction):
            raise QlabError(
                f"the pair {self.facts.name!r} has {self.facts.left(direction)} bytes of pads "
                f"left from {direction.replace('-', ' ')}, {count} are needed",
                remedy="make a new pair with `qlab key pair init`",
            )
        pads = self._read(direction, HEAD_BYTES + start, count)
        if count >= _KEY_BYTES and not any(pads):
            raise PairUnsafeError(f"pads of {self.facts.name!r} have been used before")
        self._use_up(direction, start + count)
        return pads

    def peek(self, direction: str, start: int, count: int) -> bytes:
        """Return pads from an offset on, to check a tag; they are not used up by that.

        Whoever believes the tag then has to `catch_up`.

        Raises
        ------
        QlabError
            If there are none.
        """
        if not self.facts.used[direction] <= start <= self.facts.held[direction] - count:
            raise QlabError(
                f"the pair {self.facts.name!r} has no pads where the other side is",
                remedy="make a new pair with `qlab key pair init`",
            )
        return self._read(direction, HEAD_BYTES + start, count)

    def catch_up(self, used: Mapping[str, int]) -> None:
        """Give up the pads that the other side has used, as it says and was believed."""
        for direction, offset in used.items():
            if offset > self.facts.used[direction]:
                self._use_up(direction, min(offset, self.facts.held[direction]))

    def remember(self, *, other_store: str, sessions: int, mark_before: str, mark: str) -> None:
        """Write down that a session has begun with the other side's store.

        `sessions` and `mark_before` are what both sides have come to before, so that a
        session which a cut left to one side only is forgotten there.
        """
        self._put(
            replace(
                self.facts,
                sessions=sessions + 1,
                mark=mark,
                mark_before=mark_before,
                other_store=other_store,
            )
        )

    def refill(self, key_id: str, packed: bytes) -> None:
        """Add a new key to the pads of both directions by turns, Alice's first; never twice.

        Turns are of 16 bytes, as pads are; less at the end goes to whose turn it is. Both
        sides have to do this with the same bytes in the same order.
        """
        if key_id in self.facts.refills:
            return
        pads = [packed[at : at + _KEY_BYTES] for at in range(0, len(packed), _KEY_BYTES)]
        held = dict(self.facts.held)
        parts = b"".join(pads[::2]), b"".join(pads[1::2])
        for direction, part in zip(DIRECTIONS, parts, strict=True):
            with (self._folder / f"{self.facts.name}.{direction}").open("r+b") as file:
                file.seek(HEAD_BYTES + held[direction])  # over what a crash left
                file.write(part)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            held[direction] += len(part)
        self._put(replace(self.facts, held=held, refills=(*self.facts.refills, key_id)))

    def _read(self, direction: str, start: int, count: int) -> bytes:
        with (self._folder / f"{self.facts.name}.{direction}").open("rb") as file:
            file.seek(start)
            data = file.read(count)
        if len(data) != count:
            raise PairUnsafeError(f"the pads of {self.facts.name!r} are cut short")
        return data

    def _use_up(self, direction: str, offset: int) -> None:
        start = self.facts.used[direction]
        self._put(replace(self.facts, used={**self.facts.used, direction: offset}))
        with (self._folder / f"{self.facts.name}.{direction}").open("r+b") as file:
            file.seek(HEAD_BYTES + start)
            file.write(bytes(offset - start))

    def _put(self, facts: SharedFacts) -> None:
        files.replace(self._folder / f"{facts.name}.json", text(facts))
        self.facts = facts
