"""One container of a run, open for reading: the run file or its companion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .chain import covered
from .errors import RunFileMisuseError
from .liveness import written_here
from .opening import damaged, open_hdf5
from .schema import COMMITS, HEAP, JSON, ROWS, SOURCES
from .stored import RECORD_LIMIT, check_covered, check_table, own_dataset
from .verify import Trust, trust

__all__ = ["Part"]

_WINDOW = 4 << 20


class Part:
    """A container with the lengths that its last good commit covers.

    Parameters
    ----------
    path : Path
        The file; it is checked first.
    role : str
        ``main`` or ``companion``.

    Raises
    ------
    RunFileError
        See `RunFile.open`.
    """

    def __init__(self, path: Path, role: str) -> None:
        self.path = path
        self.trust: Trust = trust(path, role)
        if written_here(path):
            # HDF5 shares datasets between writer and reader of one process, and there
            # forgets the filter mask of a chunk that was rewritten in place.
            raise RunFileMisuseError(
                "this process is still writing it",
                path=path,
                remedy="close the writer first, or read it from another process",
            )
        self.file = open_hdf5(path, role, sealed=self.trust.seal is not None)
        try:
            # The commits first: what they cover is in datasets opened after them.
            rows = own_dataset(self.file, COMMITS)
            check_covered(rows, self.trust.commits or len(rows))
            check_table(rows, self.trust.commits or len(rows))
            self.commits: npt.NDArray[np.void] = rows[: self.trust.commits]
            if not len(self.commits):
                raise damaged(path, "it holds no commit")
            last = self.commits[-1]
            if self.trust.digest and last["digest"].tobytes() != self.trust.digest:
                raise damaged(path, "it changed between checking and reading")
            self.lengths: dict[str, int] = dict(
                zip(covered(self.file), last["lengths"].tolist(), strict=True)
            )
            for name, length in self.lengths.items():
                dataset = own_dataset(self.file, name)
                check_covered(dataset, length)
                if name in (ROWS, SOURCES, JSON):
                    check_table(dataset, length)
        except (OSError, RuntimeError, KeyError, ValueError, IndexError) as error:
            self.file.close()
            raise damaged(path, f"its commits cannot be read: {error}") from error
        except BaseException:
            self.file.close()
            raise
        self._window = b""
        self._window_start = 0

    def read(self, name: str, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """Return covered rows of a dataset."""
        length = self.lengths[name]
        stop = length if stop is None else min(stop, length)
        try:
            return np.asarray(own_dataset(self.file, name)[start : max(start, stop)])
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise damaged(self.path, f"{name} cannot be read: {error}") from error

    def payload(self, offset: int, length: int) -> bytes:
        """Return bytes of the heap, which is read in stretches."""
        start = offset - self._window_start
        if start < 0 or start + length > len(self._window):
            end = offset + length
            if end > self.lengths[HEAP]:
                raise damaged(self.path, "a record points behind the end of the heap")
            if length > RECORD_LIMIT:
                raise damaged(self.path, f"a record of {length} bytes is none of ours")
            self._window = self.read(HEAP, offset, max(end, offset + _WINDOW)).tobytes()
            self._window_start, start = offset, 0
        return self._window[start : start + length]
