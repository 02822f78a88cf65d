"""Writing time tags to a file, which has its name only when it is whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import numpy as np

from protocols.errors import ParameterError
from protocols.timetags.decoding.qcrypto import TICK_S as QCRYPTO_TICK_S
from protocols.timetags.encoding.qcrypto import encode_a1
from protocols.timetags.encoding.scale import Rescaling
from protocols.timetags.encoding.text import encode_text, text_head
from protocols.timetags.tags import Tags
from qlab.errors import QlabError, UsageError
from qlab.provenance import provenance
from qlab.runfile.placing import claim, discard, new_draft
from qlab.runfile.schema import RunStatus, time_tag_columns
from qlab.runfile.writer import RunWriter

__all__ = ["WRITERS", "TagWriter", "Writer", "write_tags"]


class TagWriter(ABC):
    """Writes tags into a file that does not exist yet, or is empty."""

    @abstractmethod
    def write(self, tags: Tags) -> None:
        """Write some more tags.

        Raises
        ------
        ParameterError
            The format cannot hold them.
        """

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""


@dataclass(frozen=True)
class Writer:
    """A format that can be written.

    Attributes
    ----------
    summary : str
        What it is, for a person.
    endings : tuple of str
        Endings of file names that mean it, if no format is named.
    where : str
        ``module:class`` of the `TagWriter`, made from a path and the tick in seconds.
    tick_s : Fraction or None
        The only tick it knows; None for any.
    """

    summary: str
    endings: tuple[str, ...]
    where: str
    tick_s: Fraction | None = None


#: By short name.
WRITERS: dict[str, Writer] = {
    "run": Writer("run file of qlab", (".h5",), "qlab.tags.writing:RunTagWriter"),
    "qcrypto-a1": Writer(
        "S-Fifteen or qcrypto, 64-bit words",
        (".a1", ".dat"),
        "qlab.tags.writing:A1Writer",
        QCRYPTO_TICK_S,
    ),
    "photon-hdf5": Writer(
        "Photon-HDF5 0.5", (".hdf5",), "qlab.tags.photon_hdf5_writing:PhotonHdf5Writer"
    ),
    "csv": Writer("text: ticks, channel", (".csv", ".txt"), "qlab.tags.writing:TextWriter"),
}


def write_tags(
    chunks: Iterable[Tags],
    tick_s: Fraction,
    path: Path,
    name: str,
    *,
    rounded: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda events: None,
) -> tuple[int, Fraction]:
    """Write tags to a new file.

    Parameters
    ----------
    chunks : iterable of Tags
    tick_s : Fraction
        Their tick in seconds.
    path : Path
    name : str
        One of `WRITERS`.
    rounded : bool
        Whether times may be rounded to the format's ticks.
    overwrite : bool
        Whether an existing file is replaced, once the new one is whole.
    progress : callable
        Told the number of tags now and then.

    Returns
    -------
    tuple
        How many tags were written, and the largest error of rounding in seconds.

    Raises
    ------
    UsageError
        The file exists, or the format cannot hold the tags.
    QlabError
        It cannot be written.
    """
    if path.exists() and (not overwrite or not path.is_file()):
        raise UsageError(f"{path} exists", remedy="choose another name or use --force")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", remedy="make it first")
    writer = WRITERS[name]
    module, _, made = writer.where.partition(":")
    try:
        scale = Rescaling(tick_s, writer.tick_s or tick_s, rounded=rounded)
        draft = new_draft(path, private=False)
        try:
            file: TagWriter = getattr(import_module(module), made)(
                draft.file, writer.tick_s or tick_s
            )
            count = 0
            try:
                for tags in chunks:
                    file.write(Tags(scale.ticks(tags.ticks), tags.channels))
                    count += len(tags)
                    progress(count)
            finally:
                file.close()
            _place(draft.file, path, overwrite=overwrite)
        finally:
            discard(draft)
    except ParameterError as error:
        between = "between two ticks" in str(error)
        raise UsageError(
            f"{name} cannot hold these tags: {error}",
            remedy="let times be rounded with --round" if between else "choose another format",
        ) from None
    except OSError as error:
        raise QlabError(f"{path}: cannot be written: {error}") from None
    return count, scale.largest_error_s


def _place(draft: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        draft.replace(path)
        return
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        raise UsageError(f"{path} exists", remedy="choose another name or use --force") from None
    except OSError:  # no hard links here
        claim(path, private=False)
        draft.replace(path)


class A1Writer(TagWriter):
    """Writes S-Fifteen's and qcrypto's binary words."""

    def __init__(self, path: Path, tick_s: Fraction) -> None:
        self._file = path.open("wb")

    def write(self, tags: Tags) -> None:
        """Write some more tags."""
        self._file.write(encode_a1(tags))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class TextWriter(TagWriter):
    """Writes text in columns."""

    def __init__(self, path: Path, tick_s: Fraction) -> None:
        self._file = path.open("wb")
        self._file.write(text_head(tick_s))

    def write(self, tags: Tags) -> None:
        """Write some more tags."""
        self._file.write(encode_text(tags))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class RunTagWriter(TagWriter):
    """Writes a run file that holds nothing but tags."""

    def __init__(self, path: Path, tick_s: Fraction) -> None:
        path.unlink()  # a run file is never written over another
        self._run = RunWriter.create(
            path,
            experiment="tags",
            run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}",
            start_utc=datetime.now(UTC),
            config="",
            provenance=provenance(None),
            datasets=time_tag_columns("data", tick_s.as_integer_ratio(), secret=False),
            operational=False,
            clock=lambda: 0,
        )

    def write(self, tags: Tags) -> None:
        """Write some more tags."""
        if len(tags) and not 0 <= int(tags.channels.min()) <= int(tags.channels.max()) < 256:
            raise ParameterError("the format has channels 0 to 255")
        self._run.append("data/timestamps", tags.ticks)
        self._run.append("data/detectors", tags.channels.astype(np.uint8))

    def close(self) -> None:
        """Finish the file."""
        self._run.close(RunStatus.COMPLETE)
