"""From slots to clicks: pieces of constant settings, simulated when somebody listens."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.detectors import Registration
from drivers.simulated.plant.kernels import stream_key
from drivers.simulated.plant.pulses import Diodes, Light, Records, avalanches
from drivers.simulated.plant.timing import SlotGrid

__all__ = ["Piece", "Receiver"]

_SEGMENT = 1 << 19
_BATCH = 16
_NO_TIMES = np.empty(0, dtype=np.int64)


@dataclass(slots=True, eq=False)
class Piece:
    """Slots from `first` up to `end` for which all settings are the same.

    Its random streams belong to its first slot, and the avalanches of a shortened
    piece are the beginning of those of the whole one: cutting it when a setting
    changes leaves what happened before untouched.
    """

    first: int
    end: int
    origin_ps: tuple[int, int]
    slot_ps: float
    records: Records
    light: Light
    diodes: Diodes
    afterpulse: tuple[float, float]
    avalanches: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    taken: list[int] = field(default_factory=lambda: [0, 0])

    def end_ps(self, detector: int) -> int:
        """Return the bench time at which the next piece begins for a detector."""
        return self.origin_ps[detector] + round((self.end - self.first) * self.slot_ps)

    def is_done(self, until_ps: int) -> bool:
        """Tell whether nothing before `until_ps` or after is left in it."""
        assert self.avalanches is not None
        return all(
            self.end_ps(n) <= until_ps and self.taken[n] == self.avalanches[n].size for n in (0, 1)
        )


class Receiver:
    """The clicks of both detectors, in order, as far as they have been asked for.

    Parameters
    ----------
    seed : int
        Seed of all chance in it.
    grid : SlotGrid
        The numbering of pulses.
    piece_at : callable
        The piece that begins with a slot and ends at the latest with another.
    registrations : tuple of Registration
        Dead time and afterpulses of the detectors.
    early_ps : float
        How much before its pulse passes Bob's modulator a click can come.
    threads : int
        How many pieces are simulated at once; results do not depend on it.
    """

    def __init__(
        self,
        seed: int,
        grid: SlotGrid,
        piece_at: Callable[[int, int], Piece],
        registrations: tuple[Registration, Registration],
        early_ps: float,
        threads: int | None,
    ) -> None:
        self._seed = seed
        self._grid = grid
        self._piece_at = piece_at
        self._registrations = registrations
        self._margin = 2 + math.ceil(max(early_ps, 0.0) / grid.slot_ps)
        self._threads = threads or os.cpu_count() or 1
        self._pool: ThreadPoolExecutor | None = None
        self._pieces: deque[Piece] = deque()
        self._next_slot = 0
        self.done_ns: int | None = None

    def start(self, t_ns: int) -> None:
        """Begin to simulate at `t_ns`; nothing clicks before."""
        self._pieces.clear()
        for registration in self._registrations:
            registration.rest()
        self._next_slot = self._grid.at_bob(t_ns)
        self.done_ns = t_ns

    def stop(self) -> None:
        """Simulate no further."""
        self._pieces.clear()
        self.done_ns = None

    def changed(self, slot: int) -> None:
        """Take note that other settings hold from `slot` on."""
        if self.done_ns is None:
            return
        slot = max(slot, self._grid.at_bob(self.done_ns))
        while self._pieces and self._pieces[-1].end > slot:
            last = self._pieces.pop()
            if last.first < slot:
                last.end, last.avalanches = slot, None
                self._pieces.append(last)
            self._next_slot = max(last.first, slot)

    def advance(self, until_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the clicks of D0 and of D1 before `until_ns`, in ps, not returned yet."""
        clicks: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
        if self.done_ns is None or until_ns <= self.done_ns:
            return _NO_TIMES, _NO_TIMES
        need = self._grid.at_bob(until_ns) + self._margin
        while True:
            while self._next_slot < need and len(self._pieces) < _BATCH:
                segment_end = (self._next_slot // _SEGMENT + 1) * _SEGMENT
                piece = self._piece_at(self._next_slot, segment_end)
                self._pieces.append(piece)
                self._next_slot = piece.end
            self._simulate([piece for piece in self._pieces if piece.avalanches is None])
            self._register(until_ns * 1000, clicks)
            if self._next_slot >= need:
                break
        self.done_ns = until_ns
        return np.concatenate(clicks[0]), np.concatenate(clicks[1])

    def _simulate(self, pieces: list[Piece]) -> None:
        if len(pieces) > 1 and self._threads > 1:
            self._pool = self._pool or ThreadPoolExecutor(self._threads)
            results = list(self._pool.map(self._avalanches, pieces))
        else:
            results = [self._avalanches(piece) for piece in pieces]
        for piece, result in zip(pieces, results, strict=True):
            piece.avalanches = result

    def _avalanches(self, piece: Piece) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        light, arrive_0, dark_0, arrive_1, dark_1 = (
            stream_key(self._seed, 10, name, piece.first) for name in range(5)
        )
        return avalanches(
            piece.records,
            piece.light,
            piece.diodes,
            piece.end - piece.first,
            piece.slot_ps,
            light,
            (arrive_0, dark_0),
            (arrive_1, dark_1),
        )

    def _register(self, until_ps: int, clicks: tuple[list[NDArray[np.int64]], ...]) -> None:
        while self._pieces:
            piece = self._pieces[0]
            assert piece.avalanches is not None
            for n, registration in enumerate(self._registrations):
                times, used = registration.clicks(
                    piece.avalanches[n][piece.taken[n] :],
                    piece.origin_ps[n],
                    until_ps,
                    piece.end_ps(n),
                    piece.afterpulse[n],
                )
                piece.taken[n] += used
                clicks[n].append(times)
            if not piece.is_done(until_ps):
                break
            self._pieces.popleft()
