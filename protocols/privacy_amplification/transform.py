"""Evaluation and interpolation of long polynomials over GF(2), on one or more threads.

Coefficients are bits, 64 in a word, lowest first. Work is cut so that most of it stays in the
cache: rows of 2**16 coefficients (8 KiB), blocks of 2**15 words (256 KiB), and strips that hold a
few words of every row.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from protocols.errors import ParameterError
from protocols.privacy_amplification import cantor
from protocols.privacy_amplification.butterflies import (
    LAST,
    fold,
    fold_last,
    multiply_values,
    unfold,
    unfold_last,
)
from protocols.privacy_amplification.extension import COLUMNS, SCRATCH, extend, restrict
from protocols.privacy_amplification.novel_basis import divide, divisions, multiply_back
from protocols.privacy_amplification.quads import LANES, Words

__all__ = ["LEAST", "coefficients", "multiply", "values"]

LEAST = 9
"""The smallest dimension m of a transform, of 2**(m+6) coefficients."""

_ROW, _BLOCK, _STRIP = 10, 15, 12
"""Sizes of a row, a block and a strip as powers of two in words; strips may have to be larger."""

_Steps = npt.NDArray[np.int64]


@cache
def _divisions(m: int) -> tuple[_Steps, _Steps, _Steps]:
    """Return the steps between rows, within rows, and on the polynomial of rows."""
    bits = m + 6
    found = divisions(bits)[: -len(divisions(8))]  # those are taken by `extend`
    between = max(0, bits - 16)
    across = len(divisions(between))
    steps = np.array(found, np.int64).reshape(-1, 2)
    return steps[:between], steps[between + across :], steps[between : between + across]


@njit(cache=True, nogil=True)
def _divide_part(part: int, size: int, words: Words, c: int, h: int) -> None:
    """Take a step on all of a part of 2**size words."""
    divide(part << (size - h + 5), (part + 1) << (size - h + 5), words, c, h)


@njit(cache=True, nogil=True)
def _multiply_part(part: int, size: int, words: Words, c: int, h: int) -> None:
    """Undo `_divide_part`."""
    multiply_back(part << (size - h + 5), (part + 1) << (size - h + 5), words, c, h)


@njit(cache=True, nogil=True)
def _divide_blocks(
    first: int, last: int, words: Words, size: int, between: _Steps, within: _Steps
) -> None:
    """Take steps on the blocks of 2**size words from `first` to before `last`, row by row."""
    row = min(size, _ROW)
    for block in range(first, last):
        for c, h in between:
            _divide_part(block, size, words, c, h)
        for part in range(block << (size - row), (block + 1) << (size - row)):
            for c, h in within:
                _divide_part(part, row, words, c, h)


@njit(cache=True, nogil=True)
def _multiply_blocks(
    first: int, last: int, words: Words, size: int, between: _Steps, within: _Steps
) -> None:
    """Undo `_divide_blocks`."""
    row = min(size, _ROW)
    for block in range(first, last):
        for part in range(block << (size - row), (block + 1) << (size - row)):
            for c, h in within[::-1]:
                _multiply_part(part, row, words, c, h)
        for c, h in between[::-1]:
            _multiply_part(block, size, words, c, h)


@njit(cache=True, nogil=True)
def _parts(strip: Words, across: _Steps, shift: int) -> tuple[int, int]:
    """Return how many steps concern the whole strip, and the size of the parts of the others."""
    last = len(across)
    size = 0
    while last > 0 and across[last - 1, 1] + shift - 5 <= _STRIP:
        last -= 1
        size = max(size, across[last, 1] + shift - 5)
    return last, size


@njit(cache=True, nogil=True)
def _divide_strip(strip: Words, across: _Steps, shift: int) -> None:
    """Take steps whose sizes are by 2**shift different, the last ones part by part."""
    last, size = _parts(strip, across, shift)
    for c, h in across[:last]:
        divide(0, strip.size >> (h + shift - 5), strip, c + shift, h + shift)
    for part in range(strip.size >> size):
        for c, h in across[last:]:
            _divide_part(part, size, strip, c + shift, h + shift)


@njit(cache=True, nogil=True)
def _multiply_strip(strip: Words, across: _Steps, shift: int) -> None:
    """Undo `_divide_strip`."""
    last, size = _parts(strip, across, shift)
    for part in range(strip.size >> size):
        for c, h in across[last:][::-1]:
            _multiply_part(part, size, strip, c + shift, h + shift)
    for c, h in across[:last][::-1]:
        multiply_back(0, strip.size >> (h + shift - 5), strip, c + shift, h + shift)


@njit(cache=True, nogil=True)
def _strips(
    first: int,
    last: int,
    words: Words,
    width: int,
    across: _Steps,
    matrix: cantor.Nibbles,
    out: Words,
) -> None:
    """Convert across rows and extend, strips of 2**width words from `first` to before `last`.

    A strip as wide as a row is the whole polynomial; it may have less than a row.
    """
    rows = words.size >> _ROW
    whole = width == _ROW
    strip = words if whole else np.empty(rows << width, np.uint64)
    stride = strip.size >> 6
    scratch = np.zeros(SCRATCH, np.uint64)
    for number in range(first, last):
        column = number << width
        if not whole:
            for row in range(rows):
                source = (row << _ROW) + column
                for i in range(1 << width):
                    strip[(row << width) + i] = words[source + i]
        _divide_strip(strip, across, width - _ROW)
        for at in range(0, stride, COLUMNS):
            row, inside = at >> width, at & ((1 << width) - 1)
            extend(strip, at, stride, matrix, scratch, out, (row << 16) + ((column + inside) << 6))


@njit(cache=True, nogil=True)
def _strips_back(
    first: int,
    last: int,
    elements: Words,
    width: int,
    across: _Steps,
    matrix: cantor.Nibbles,
    out: Words,
) -> None:
    """Undo `_strips`; the elements are used up."""
    rows = out.size >> _ROW
    whole = width == _ROW
    strip = out if whole else np.empty(rows << width, np.uint64)
    stride = strip.size >> 6
    scratch = np.zeros(SCRATCH, np.uint64)
    for number in range(first, last):
        column = number << width
        for at in range(0, stride, COLUMNS):
            row, inside = at >> width, at & ((1 << width) - 1)
            restrict(
                elements, (row << 16) + ((column + inside) << 6), matrix, scratch, strip, at, stride
            )
        _multiply_strip(strip, across, width - _ROW)
        if not whole:
            for row in range(rows):
                target = (row << _ROW) + column
                for i in range(1 << width):
                    out[target + i] = strip[(row << width) + i]


@njit(cache=True, nogil=True)
def _unfold_blocks(
    first: int, last: int, elements: Words, m: int, size: int, basis: Words, steps: Words
) -> None:
    """Take the levels below `size` of the blocks of 2**size elements."""
    for block in range(first, last):
        for k in range(size - 1, LAST - 1, -1):
            per = size - 1 - k
            blocks = block << per, (block + 1) << per
            unfold(0, 1 << (k - LAST), elements, m, k, blocks, basis, steps)
        unfold_last(block << (size - 3), (block + 1) << (size - 3), elements, m, basis, steps)


@njit(cache=True, nogil=True)
def _fold_blocks(
    first: int, last: int, elements: Words, m: int, size: int, basis: Words, steps: Words
) -> None:
    """Undo `_unfold_blocks`."""
    for block in range(first, last):
        fold_last(block << (size - 3), (block + 1) << (size - 3), elements, m, basis, steps)
        for k in range(LAST, size):
            per = size - 1 - k
            blocks = block << per, (block + 1) << per
            fold(0, 1 << (k - LAST), elements, m, k, blocks, basis, steps)


def _share(workers: int, count: int, kernel: Callable[..., None], *arguments: Any) -> None:
    """Do `count` pieces of work on several threads; the kernel takes a first and a last one."""
    parts = min(workers, count)
    if parts <= 1:
        kernel(0, count, *arguments)
        return
    edges = [count * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        for done in [pool.submit(kernel, *edge, *arguments) for edge in pairwise(edges)]:
            done.result()


def _width(m: int) -> int:
    """Return the width of a strip: all of it for a polynomial that a block holds."""
    return _ROW if m <= _BLOCK else max(3, _STRIP + _ROW - m)


def _strip_count(m: int) -> int:
    return 1 << (_ROW - _width(m))


def values(words: Words, m: int, workers: int = 1) -> Words:
    """Return the 2**m values of the polynomial in 2**m words, which are used up.

    Raises
    ------
    ParameterError
        There are no such transforms, or `words` has another size.
    """
    _check(words, m)
    between, within, across = _divisions(m)
    size = min(m, _BLOCK)
    whole = int(np.count_nonzero(between[:, 1] >= size + 6))
    for c, h in between[:whole].tolist():
        _share(workers, words.size >> (h - 5), divide, words, c, h)
    blocks = words.size >> size
    _share(workers, blocks, _divide_blocks, words, size, between[whole:], within)
    out = np.empty_like(words)
    _share(workers, _strip_count(m), _strips, words, _width(m), across, cantor.evaluation(), out)
    points = cantor.basis(), cantor.steps()
    for k in range(m - 1, size - 1, -1):
        _share(workers, 1 << (k - LAST), unfold, out, m, k, (0, 1 << (m - 1 - k)), *points)
    _share(workers, blocks, _unfold_blocks, out, m, size, *points)
    return out


def coefficients(elements: Words, m: int, workers: int = 1) -> Words:
    """Return in 2**m words the polynomial of 2**m values, which are used up; undo `values`."""
    _check(elements, m)
    between, within, across = _divisions(m)
    size = min(m, _BLOCK)
    whole = int(np.count_nonzero(between[:, 1] >= size + 6))
    points = cantor.basis(), cantor.steps()
    blocks = elements.size >> size
    _share(workers, blocks, _fold_blocks, elements, m, size, *points)
    for k in range(size, m):
        _share(workers, 1 << (k - LAST), fold, elements, m, k, (0, 1 << (m - 1 - k)), *points)
    words = np.empty_like(elements)
    matrix = cantor.interpolation()
    _share(workers, _strip_count(m), _strips_back, elements, _width(m), across, matrix, words)
    _share(workers, blocks, _multiply_blocks, words, size, between[whole:], within)
    for c, h in between[:whole][::-1].tolist():
        _share(workers, words.size >> (h - 5), multiply_back, words, c, h)
    return words


def multiply(elements: Words, others: Words, workers: int = 1) -> None:
    """Multiply values by others, point by point, in place."""
    _share(workers, elements.size // LANES, multiply_values, elements, others)


def _check(words: Words, m: int) -> None:
    if not LEAST <= m <= cantor.LARGEST or words.shape != (1 << m,):
        raise ParameterError(f"no transform of {words.size} words has dimension {m}")
