"""The key store: final keys, each in an owner-only file of its own.

A key of a simulated or seeded run is marked ``fit_for_use: false``; it is as
public as its seed. Keys are written nowhere else: not into the run file, not
into results or logs.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from qlab.errors import QlabError

__all__ = ["KeyRecord", "KeyStore", "default_folder"]


@dataclass(frozen=True)
class KeyRecord:
    """What is known of a key besides its bits.

    Attributes
    ----------
    key_id : str
        The same on both sides: run id and block.
    run_id : str
        The run it came from.
    bits : int
        Length.
    eps_sec, eps_cor : float
        Security parameters; the key is eps_sec + eps_cor secure.
    proof : str
        What its length was computed by.
    fit_for_use : bool
        False for a key of a simulated, seeded or demonstration run.
    """

    key_id: str
    run_id: str
    bits: int
    eps_sec: float
    eps_cor: float
    proof: str
    fit_for_use: bool


def default_folder() -> Path:
    """Return the store's folder: ``QLAB_KEYS``, or one in the user's data folder."""
    from platformdirs import user_data_path

    named = os.environ.get("QLAB_KEYS")
    return Path(named) if named else user_data_path("qlab", appauthor=False) / "keys"


class KeyStore:
    """A folder of keys, made on first use and readable by its owner only."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def prepare(self) -> None:
        """Make the folder, and see that only its owner can read it and that it takes files.

        Raises
        ------
        QlabError
            If it cannot be made or written, or others can read it.
        """
        try:
            if not self.folder.exists():
                self.folder.mkdir(mode=0o700, parents=True)
            if os.name == "posix" and self.folder.stat().st_mode & 0o077:
                raise QlabError(
                    f"others can read the key store {self.folder}",
                    remedy=f"chmod 700 {self.folder}, or choose another folder",
                )
            probe = self.folder / f".probe-{os.getpid()}"
            _write_new(probe, b"")
            probe.unlink()
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, record: KeyRecord, packed: bytes) -> Path:
        """Store a key: ``ID.key`` holds the packed bits, ``ID.json`` the record.

        Raises
        ------
        QlabError
            If a key of this id is there already, or the folder cannot be written.
        """
        self.prepare()
        path = self.folder / f"{record.key_id}.key"
        try:
            _write_new(path, packed)
            text = json.dumps(asdict(record), indent=2, sort_keys=True) + "\n"
            _write_new(path.with_suffix(".json"), text.encode())
        except FileExistsError:
            raise QlabError(f"there is a key {record.key_id} in {self.folder} already") from None
        except OSError as error:
            raise self._unwritable(error) from None
        return path

    def _unwritable(self, error: OSError) -> QlabError:
        return QlabError(
            f"keys cannot be stored in {self.folder}: {error.strerror}",
            remedy="set QLAB_KEYS to a folder that you can write to",
        )


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist, readable by its owner only from its first moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
