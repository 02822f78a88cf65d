"""The pairs of a store: what each shares with another station, made, carried and kept.

``NAME.json`` says how far the pads are used, ``NAME.alice-to-bob`` and
``NAME.bob-to-alice`` hold them; each begins with the direction's hash key and calling key. A
pad counts as used as soon as its offset is on the disk, which is before anyone sees it; then
it is overwritten. Offsets only grow, so what a crash interrupts is burnt.

A copy of a store could use the same pads again. So the file of the pads is known by its
number on the disk, which a copy or a restored backup does not have, and each session
leaves a mark on both sides that the next one compares.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qlab.errors import QlabError, UsageError
from qlab.keystore import files
from qlab.keystore.carried import DIRECTIONS, Carried, read_carried, write_carried
from qlab.keystore.pair import HEAD_BYTES, Pair, PairUnsafeError, SharedFacts, text
from qlab.keystore.store import default_folder

__all__ = [
    "DIRECTIONS",
    "LEAST_BITS",
    "MOST_BITS",
    "PairStore",
]

#: Bits of a first secret: two keys and a few dozen pads each way, up to 128 MB.
LEAST_BITS, MOST_BITS = 16_384, 1 << 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class PairStore:
    """The pairs of one key store."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()) / "pairs"

    def names(self) -> list[str]:
        """Return the names of all pairs."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def only(self) -> str:
        """Return the name of the only pair.

        Raises
        ------
        UsageError
            If there is none, or more than one.
        """
        names = self.names()
        if len(names) != 1:
            raise UsageError(
                f"the key store has {len(names)} pairs" if names else "the key store has no pair",
                remedy="name one of them" if names else "make one with `qlab key pair init`",
            )
        return names[0]

    def facts(self, name: str) -> SharedFacts:
        """Return what is known of a pair.

        Raises
        ------
        UsageError
            If there is none of this name.
        QlabError
            If its file is damaged.
        """
        if not _NAME.fullmatch(name) or not self._state(name).exists():
            raise UsageError(
                f"there is no pair {name!r} in {self.folder}",
                remedy="see `qlab key pair list`; `qlab key pair init` makes one",
            )
        return _read(self._state(name))

    def init(self, name: str, output: Path, *, side: str = "alice", bits: int) -> SharedFacts:
        """Make a first secret: one side here, the other side's in a file to carry there.

        Parameters
        ----------
        name : str
        output : Path
            File for the other side; must not exist.
        side : {'alice', 'bob'}
            Which of the two this one is.
        bits : int
            Length of the secret: two hash keys and two calling keys, the rest pads, half for
            each direction.

        Raises
        ------
        UsageError
            If the name is taken, the file exists or the length is out of its range.
        """
        if not LEAST_BITS <= bits <= MOST_BITS:
            raise UsageError(
                f"a first secret has {LEAST_BITS:,} to {MOST_BITS:,} bits, not {bits:,}"
            )
        if os.path.lexists(output):
            raise UsageError(f"{output} exists", remedy="choose another name with -o")
        size = bits // 16
        content = {direction: secrets.token_bytes(size) for direction in DIRECTIONS}
        made = _now()
        pair_id = secrets.token_hex(16)
        other = "bob" if side == "alice" else "alice"
        with self._locked():
            self._refuse_taken(name)
            write_carried(output, Carried(name, pair_id, other, made, content))
            try:
                facts = self._put_new(name, pair_id, side, made, content)
            except BaseException:
                files.erase(output)
                raise
        return facts

    def bring(self, carried: Path, name: str = "") -> SharedFacts:
        """Import the other side's file, and erase it.

        Raises
        ------
        UsageError
            If this store has the pair already, as its maker or by an earlier import.
        QlabError
            If the file is damaged, or cannot be erased.
        """
        found = read_carried(carried)
        with self._locked():
            for known in self.names():
                if self.facts(known).pair_id == found.pair_id:
                    raise UsageError(
                        f"this store has the pair already, as {known!r}",
                        remedy="import it on the other side, once; then destroy the file",
                    )
            facts = self._put_new(
                name or found.name, found.pair_id, found.side, found.created, found.content
            )
        try:
            files.erase(carried)
        except OSError as error:
            raise QlabError(
                f"the pair is imported, but {carried} cannot be erased: {error.strerror}",
                remedy="destroy it: whoever has it can pretend to be this side",
            ) from None
        return facts

    def _put_new(
        self, name: str, pair_id: str, side: str, made: str, content: Mapping[str, bytes]
    ) -> SharedFacts:
        self._refuse_taken(name)
        numbers = {}
        for direction, data in content.items():
            path = self.folder / f"{name}.{direction}"
            files.erase(path)  # what a crash left of an earlier attempt
            files.write_new(path, data)
            numbers[direction] = path.stat().st_ino
        none = dict.fromkeys(DIRECTIONS, 0)
        held = {direction: len(data) - HEAD_BYTES for direction, data in content.items()}
        facts = SharedFacts(name, pair_id, side, made, none, held, numbers)
        files.write_new(self._state(name), text(facts))
        return facts

    def _refuse_taken(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a pair", remedy="use letters and digits")
        if self._state(name).exists():
            raise UsageError(f"there is a pair {name!r} already", remedy="choose another name")

    def erase(self, name: str) -> None:
        """Erase a pair's secrets and forget it."""
        facts = self.facts(name)
        with self._in_use(facts.name):
            for direction in DIRECTIONS:
                files.erase(self.folder / f"{name}.{direction}")
            self._state(name).unlink()
            files.sync_folder(self.folder)

    @contextmanager
    def open(self, name: str) -> Iterator[Pair]:
        """Hold a pair for one session; no other process can use it meanwhile.

        Raises
        ------
        QlabError
            If another process does.
        PairUnsafeError
            If this is a copy of the store in which the pair was made or imported.
        """
        self.facts(name)
        with self._in_use(name):
            facts = self.facts(name)
            for direction, number in facts.file_numbers.items():
                path = self.folder / f"{name}.{direction}"
                if not path.exists() or path.stat().st_ino != number:
                    raise PairUnsafeError(
                        f"the pads of {name!r} are not the file that was written: the store was "
                        "copied, moved or restored, and pads could be used twice"
                    )
            yield Pair(self.folder, facts)

    def _state(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        files.prepare_folder(self.folder.parent)
        files.prepare_folder(self.folder)
        with files.locked(self.folder / ".lock"):
            for path in list(self.folder.iterdir()):
                if files.is_draft(path):
                    files.erase(path)
            yield

    @contextmanager
    def _in_use(self, name: str) -> Iterator[None]:
        busy = f"the pair {name!r} is in use by another process"
        with files.locked(self.folder / f".{name}.lock", patience_s=1.0, busy=busy):
            yield


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(path: Path) -> SharedFacts:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        known = {f.name for f in fields(SharedFacts)}
        facts = SharedFacts(**{name: value for name, value in found.items() if name in known})
        facts = replace(facts, refills=tuple(facts.refills))
        good = facts.name == path.stem and facts.side in ("alice", "bob")
        for direction in DIRECTIONS:
            good = good and 0 <= facts.used[direction] <= facts.held[direction]
            good = good and isinstance(facts.file_numbers[direction], int)
        if not good:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise PairUnsafeError(f"{path} is damaged") from None
    return facts
