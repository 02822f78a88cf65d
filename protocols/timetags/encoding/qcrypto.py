"""Time stamps as S-Fifteen and the qcrypto programs write them; see `decoding.qcrypto`."""

from __future__ import annotations

import numpy as np

from protocols.errors import ParameterError
from protocols.timetags.tags import Tags

__all__ = ["encode_a1"]


def encode_a1(tags: Tags) -> bytes:
    """Return the words of ``a1``, one a tag, of tags in ticks of 1/256 ns.

    Raises
    ------
    ParameterError
        A channel is not 1 to 4, or a time is not within 54 bits.
    """
    if not len(tags):
        return b""
    if tags.channels.min() < 1 or tags.channels.max() > 4:
        raise ParameterError("the format has channels 1 to 4")
    if tags.ticks.min() < 0 or tags.ticks.max() >= 1 << 54:
        raise ParameterError("the format has times from 0 to 19.5 hours")
    words = tags.ticks.astype(np.uint64) << np.uint64(10)
    words |= (1 << (tags.channels - 1)).astype(np.uint64)
    return words.astype("<u8").tobytes()
