"""A piece of a stream of time tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError

__all__ = ["Tags"]


@dataclass(frozen=True, slots=True, eq=False)
class Tags:
    """Time tags one after the other, as an instrument or a file gave them.

    Attributes
    ----------
    ticks : int64 array
        Times in ticks; what a tick is in seconds is a rational number that whoever
        gives the tags knows. Not necessarily in order.
    channels : int32 array, equally long
        Channels as printed on the instrument's panel.

    Raises
    ------
    ParameterError
        The arrays differ in length or are of other types.
    """

    ticks: npt.NDArray[np.int64]
    channels: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        if self.ticks.dtype != np.int64 or self.channels.dtype != np.int32:
            raise ParameterError("ticks are int64 and channels int32")
        if self.ticks.ndim != 1 or self.ticks.shape != self.channels.shape:
            raise ParameterError("ticks and channels must be equally long")

    def __len__(self) -> int:
        return self.ticks.size

    def __repr__(self) -> str:
        return f"<{self.ticks.size} tags>"

    @classmethod
    def none(cls) -> Tags:
        """Return no tags."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int32))
