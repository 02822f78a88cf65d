"""Find the errors of frames from the difference of two syndromes: layered belief propagation.

The messages are log-likelihood ratios as bytes, in units of 2/7. Each block row of the
code is a layer: its checks see what the layers before have found (Hocevar, SiPS 2004), 64
checks side by side. Belief propagation sums over a check's bits a doubt
φ(x) = −ln tanh(x/2) of the reliability x of each, and tells each bit φ(sum of the others)
with the sign that makes the parity right. As in A-min* (Jones, Vallés, Smith, Villasenor,
MILCOM 2003) only the least reliable bit has its own doubt left out of the sum; the others
are all told the same. Doubts come from a table of 32, in units of 1/112 with a rest of
quarters, since a check of a low leak sums up eighty small ones; their sum stays at 255. A
reliability of 127 stands for that or more: a message is not taken back from it, else bits of
many checks would drift and turn over together. A frame is done as soon as the signs have the
syndrome.

The checks that the messages do not meet tell how it goes. Where only few are left, decoding
grows bold: a bit is told at least its check's least other reliability less 8, up to 60, where
the sum of doubts would say less. That frees errors that hold each other fast, in bits of few
checks. Where their number does not fall, a frame is given up.

A block column lies in memory as the layer that saw it last had it turned, so results are
written where they are computed and only reading turns; its first 64 bytes are repeated after
its end, where readers run over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc.code import Code, Words
from protocols.reconciliation.ldpc.lanes import (
    WIDTH,
    absolute,
    add,
    add_positive,
    greater,
    load,
    lower,
    ones,
    pick_equal,
    shifted,
    signs,
    splat,
    spread,
    store,
    sub,
    sub_positive,
    table,
    toggle,
    with_sign,
)

__all__ = ["Decoder", "Effort", "reliability"]

_Bytes = npt.NDArray[np.int8]
_Places = npt.NDArray[np.uint32]

_KNOWN = 127
_UNIT = 3.5
_SCALE = 112
_FEW = 64
"""Few checks are unmet where it is not more than one of so many."""
_FALL = 32
"""A frame has hope where one unmet check of so many is met after some iterations."""


def _phi(x: float) -> float:
    return -math.log(math.tanh(x / 2)) if x > 0 else math.inf


def _trusts(step: int) -> tuple[int, ...]:
    """Return the trust for sums of a table's entries, each for `step` sums, at their middle."""
    sums = [max(0.5, step * place + (step - 1) / 2) for place in range(32)]
    return tuple(round(_UNIT * _phi(total / _SCALE)) for total in sums)


_FINE = tuple(round(4 * min(255.0, _SCALE * _phi(x / _UNIT))) for x in range(32))
_DOUBT, _REST = table(tuple(x // 4 for x in _FINE)), table(tuple(x % 4 for x in _FINE))
_NEAR, _MIDDLE, _FAR = table(_trusts(1)), table(_trusts(4)), table((*_trusts(8)[:31], 0))


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes
    ----------
    iterations : int
        At most so many; each goes once over all checks.
    prior : float
        Reliability of a bit before decoding, 1 to 100; see `reliability`. Bits of different
        place modulo 16 have it rounded up and down, so that it holds on the average.
    patience : int
        After each so many iterations a frame is given up whose unmet checks are neither few
        nor fewer than before by a thirty-second.
    bold : int
        Decode boldly while at most one check of so many is unmet; 1 is always. Errors that
        have become fast before are not freed any more, so this decodes most of what failed.
    """

    iterations: int
    prior: float
    patience: int
    bold: int = _FEW


def reliability(rate: float) -> float:
    """Return the log-likelihood ratio of an error rate below 1/2, in units of 2/7, 1 to 50."""
    return max(1.0, min(50.0, _UNIT * math.log((1 - rate) / rate)))


class Decoder:
    """Decode frames of one code.

    Parameters
    ----------
    code : Code
        Its z must be a multiple of 64.
    known : int64 array
        Words of a frame whose bits are known to be right.

    Raises
    ------
    ParameterError
        z is no multiple of 64.
    """

    def __init__(self, code: Code, known: npt.NDArray[np.int64]) -> None:
        if code.z % WIDTH:
            raise ParameterError(f"{code.name}: circulants must be a multiple of {WIDTH}")
        z, tall = code.z, code.z + WIDTH
        self.code = code
        order = np.argsort(code.column, kind="stable")
        column, shift = code.column[order], code.shift[order]
        first = np.flatnonzero(np.diff(column, prepend=-1))
        last = np.append(first[1:], column.size) - 1
        before = np.roll(shift, 1)
        before[first] = shift[last]
        turn = np.empty(column.size, np.int64)
        turn[order] = (shift - before) % z
        seen_last = np.zeros(code.columns, np.int64)
        seen_last[column[last]] = shift[last]
        end = (code.shift - seen_last[code.column]) % z
        back = -seen_last % z
        at = code.column.astype(np.int64) * tall
        self._starts = code.starts.astype(np.uint64)
        self._column = at.astype(np.uint32)
        self._base, self._edge = (at + turn).astype(np.uint32), (z - turn).astype(np.uint32)
        self._end_base, self._end_edge = (at + end).astype(np.uint32), (z - end).astype(np.uint32)
        self._back_base = (np.arange(code.columns) * tall + back).astype(np.uint32)
        self._back_edge = (z - back).astype(np.uint32)
        sure = np.zeros((code.columns, z), np.bool_)
        sure.reshape(-1, WIDTH)[known] = True
        rows = (np.arange(z) + seen_last[:, None]) % z
        sure, part = np.take_along_axis(sure, rows, axis=1), rows % 16 / 16
        self._sure = np.hstack([sure, sure[:, :WIDTH]]).ravel()
        self._part = np.hstack([part, part[:, :WIDTH]]).ravel()
        self._scratch = (int(np.diff(code.starts).max()) + 4) * z

    def decode(self, syndromes: Words, effort: Effort) -> tuple[Words, npt.NDArray[np.int32]]:
        """Look for the errors of frames.

        Parameters
        ----------
        syndromes : uint64 array, number of frames × checks/64
            Of the errors: the difference of the syndromes of both parties.
        effort : Effort

        Returns
        -------
        errors : uint64 array, number of frames × bits/64
            Zero where no errors of this syndrome were found.
        iterations : int32 array, number of frames
            How many were needed, −1 where nothing was found.
        """
        code = self.code
        errors = np.zeros((len(syndromes), code.bits // 64), np.uint64)
        iterations = np.empty(len(syndromes), np.int32)
        prior = np.floor(effort.prior + self._part + 1 / 32).astype(np.int8)
        _decode_all(
            code.z,
            self._starts,
            self._column,
            (self._base, self._end_base, self._back_base),
            (self._edge, self._end_edge, self._back_edge),
            syndromes,
            np.where(self._sure, np.int8(_KNOWN), prior),
            np.empty(code.column.size * code.z, np.int8),
            np.empty(self._scratch, np.int8),
            effort.iterations,
            effort.patience,
            effort.bold,
            errors,
            iterations,
        )
        return errors, iterations


@njit(cache=True, nogil=True)
def _trust(total: Any) -> Any:
    """Return the reliability of a sum of doubts, by one of three tables."""
    near = _NEAR(lower(total, splat(31)))
    middle = _MIDDLE(lower(shifted(total, splat(2)), splat(31)))
    far = _FAR(shifted(total, splat(3)))
    beyond = pick_equal(lower(total, splat(127)), splat(127), far, middle)
    return pick_equal(lower(total, splat(31)), splat(31), beyond, near)


@njit(cache=True, nogil=True)
def _at_least(size: Any) -> Any:
    return lower(splat(60), sub_positive(size, splat(8)))


@njit(cache=True, nogil=True)
def _iterate(
    first_time: bool,
    bold: bool,
    z: np.uint64,
    starts: Words,
    column: _Places,
    base: _Places,
    edge: _Places,
    syndrome: Words,
    values: _Bytes,
    messages: _Bytes,
    scratch: _Bytes,
) -> int:
    """Go once over all checks; return how many the messages did not meet."""
    unmet = 0
    width, zero, one = np.uint64(WIDTH), np.uint64(0), np.uint64(1)
    rail = splat(126)
    check = read = written = zero
    for row in range(starts.size - 1):
        first, last = starts[row], starts[row + 1]
        at = zero
        for lane in range(zero, z, width):
            sign = spread(syndrome[check])
            check += one
            least = second = splat(127)
            most = others = rests = splat(0)
            for entry in range(first, last):
                place = base[entry] + lane
                if lane >= edge[entry]:
                    place -= z
                seen = load(values, place)
                if not first_time:
                    less = sub(seen, load(messages, read))
                    seen = pick_equal(greater(absolute(seen), rail), rail, less, seen)
                store(scratch, at, seen)
                size = absolute(seen)
                sign = toggle(sign, seen)
                if bold:
                    second = lower(second, greater(least, size))
                least = lower(least, size)
                size = lower(size, splat(31))
                doubt = _DOUBT(size)
                rests = add_positive(rests, _REST(size))
                others = add_positive(others, lower(most, doubt))
                most = greater(most, doubt)
                at += width
                read += width
            unmet += ones(signs(sign))
            others = add_positive(others, shifted(rests, splat(2)))
            to_others, to_least = _trust(add_positive(others, most)), _trust(others)
            if bold:
                to_others = greater(to_others, _at_least(least))
                to_least = greater(to_least, _at_least(second))
            store(scratch, at, sign)
            store(scratch, at + width, least)
            store(scratch, at + width + width, to_others)
            store(scratch, at + width + width + width, to_least)
            at += width + width + width + width
        at = zero
        for lane in range(zero, z, width):
            end = at + (last - first) * width
            sign, least = load(scratch, end), load(scratch, end + width)
            to_others = load(scratch, end + width + width)
            to_least = load(scratch, end + width + width + width)
            for entry in range(first, last):
                seen = load(scratch, at)
                told = pick_equal(absolute(seen), least, to_least, to_others)
                told = with_sign(told, toggle(sign, seen))
                store(messages, written, told)
                seen = add(seen, told)
                place = column[entry] + lane
                store(values, place, seen)
                if lane == zero:
                    store(values, place + z, seen)
                at += width
                written += width
            at += width + width + width + width
    return unmet


@njit(cache=True, nogil=True)
def _met(
    z: np.uint64, starts: Words, base: _Places, edge: _Places, syndrome: Words, values: _Bytes
) -> bool:
    """Return whether the signs have the syndrome; mostly told by the first few checks."""
    check = np.uint64(0)
    for row in range(starts.size - 1):
        for lane in range(np.uint64(0), z, np.uint64(WIDTH)):
            odd = spread(syndrome[check])
            check += np.uint64(1)
            for entry in range(starts[row], starts[row + 1]):
                place = base[entry] + lane
                if lane >= edge[entry]:
                    place -= z
                odd = toggle(odd, load(values, place))
            if signs(odd):
                return False
    return True


@njit(cache=True, nogil=True)
def _decode_all(
    size: int,
    starts: Words,
    column: _Places,
    base: tuple[_Places, _Places, _Places],
    edge: tuple[_Places, _Places, _Places],
    syndromes: Words,
    prior: _Bytes,
    messages: _Bytes,
    scratch: _Bytes,
    limit: int,
    patience: int,
    bold: int,
    errors: Words,
    iterations: npt.NDArray[np.int32],
) -> None:
    z = np.uint64(size)
    values = np.empty_like(prior)
    checks = 64 * syndromes.shape[1]
    for frame in range(syndromes.shape[0]):
        syndrome = syndromes[frame]
        values[:] = prior
        iterations[frame] = -1
        unmet = before = checks
        for done in range(limit):
            unmet = _iterate(
                done == 0,
                unmet <= checks // bold,
                z,
                starts,
                column,
                base[0],
                edge[0],
                syndrome,
                values,
                messages,
                scratch,
            )
            if _met(z, starts, base[1], edge[1], syndrome, values):
                iterations[frame] = done + 1
                break
            if (done + 1) % patience == 0:
                if unmet > checks // _FEW and unmet > before - before // _FALL:
                    break
                before = unmet
        if iterations[frame] > 0:
            word = np.uint64(0)
            for back in range(base[2].size):
                for lane in range(np.uint64(0), z, np.uint64(WIDTH)):
                    place = base[2][back] + lane
                    if lane >= edge[2][back]:
                        place -= z
                    errors[frame, word] = signs(load(values, place))
                    word += np.uint64(1)
