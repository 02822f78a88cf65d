"""The key store: final keys, each in an owner-only file of its own.

``ID.key`` holds a key's packed bits, ``ID.json`` its record. A key is *pending* until
the other party is known to hold it too, then *final*; what was exported is *consumed*,
what was given up is *erased*. Of both only the record stays, so that no id returns.
A key of a simulated or seeded run is marked ``fit_for_use: false``; it is as public as
its seed. Keys are written nowhere else: not into the run file, not into results or logs.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from protocols.bits import packed_size
from protocols.errors import ParameterError
from protocols.secret import SecretBits
from qlab.errors import ExitCode, QlabError, UsageError
from qlab.keystore import files

__all__ = ["DamagedKeyError", "KeyRecord", "KeyState", "KeyStore", "default_folder"]

_LONGEST_RECORD = 1 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class KeyState(StrEnum):
    """What a key may be used for."""

    PENDING = "pending"  # until the other party is known to hold it
    FINAL = "final"
    CONSUMED = "consumed"  # exported; only the record is left
    ERASED = "erased"  # given up; only the record is left


@dataclass(frozen=True)
class KeyRecord:
    """What is known of a key besides its bits.

    Attributes
    ----------
    key_id : str
        The same on both sides: session or run, and block.
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
    state : KeyState
    created : str
        When it was made, in UTC.
    pair : str
        Id of the pair of stations that made it; empty for a run of one station.
    refill : int
        Bits at its end that go to the pair's pads when it becomes final.
    run_file : str
        Where the run file was written.
    """

    key_id: str
    run_id: str
    bits: int
    eps_sec: float
    eps_cor: float
    proof: str
    fit_for_use: bool
    state: KeyState = KeyState.FINAL
    created: str = ""
    pair: str = ""
    refill: int = 0
    run_file: str = ""


class DamagedKeyError(QlabError):
    """A file of the key store is not what was written."""

    exit_code = ExitCode.DAMAGED


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
        files.prepare_folder(self.folder)

    def identity(self) -> str:
        """Return this store's own name, drawn when it is first asked for."""
        with self._locked():
            path = self.folder / ".identity"
            if not path.exists():
                files.write_new(path, secrets.token_hex(16).encode())
            return path.read_text(encoding="ascii")

    def add(self, record: KeyRecord, packed: bytes) -> Path:
        """Store a key; its record's last version makes it count.

        Raises
        ------
        QlabError
            If a key of this id is or was there, or the folder cannot be written.
        """
        _check_id(record.key_id)
        SecretBits(packed, record.bits)
        with self._locked():
            path = self._bits(record.key_id)
            if path.with_suffix(".json").exists():
                raise QlabError(
                    f"there is a key {record.key_id} in {self.folder} already",
                    remedy="the two parties need a store each: set QLAB_KEYS for one of them",
                )
            try:
                given_up = replace(record, state=KeyState.ERASED)
                files.write_new(path.with_suffix(".json"), _text(given_up))  # if we come no further
                files.write_new(path, packed)
                self._put(record)
            except OSError as error:
                raise files.unwritable(self.folder, error) from None
        return path

    def ids(self) -> list[str]:
        """Return the ids of all keys that are or were here."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def records(self) -> list[KeyRecord]:
        """Return the records of all keys, the oldest first.

        Raises
        ------
        DamagedKeyError
            If one cannot be read.
        """
        found = [self.record(key_id) for key_id in self.ids()]
        return sorted(found, key=lambda record: (record.created, record.key_id))

    def record(self, key_id: str) -> KeyRecord:
        """Return the record of one key.

        Raises
        ------
        UsageError
            If there is none of this id.
        """
        _check_id(key_id)
        path = self._bits(key_id).with_suffix(".json")
        if not path.exists():
            raise UsageError(
                f"there is no key {key_id} in {self.folder}", remedy="see `qlab key list`"
            )
        return _read(path)

    def key(self, key_id: str) -> SecretBits:
        """Return a key that is pending or final."""
        record = self.record(key_id)
        if record.state in (KeyState.CONSUMED, KeyState.ERASED):
            raise UsageError(f"the key {key_id} is {record.state.value}: it is gone")
        try:
            return SecretBits(self._bits(key_id).read_bytes(), record.bits)
        except (FileNotFoundError, ParameterError):
            raise DamagedKeyError(f"the bits of key {key_id} are not those of its record") from None

    def promote(self, key_id: str, kept_bits: int | None = None) -> None:
        """Make a pending key final, of which the other party now holds its part.

        Parameters
        ----------
        key_id : str
        kept_bits : int, optional
            How many of its first bits stay; the others have gone elsewhere.
        """
        with self._locked():
            record = self.record(key_id)
            if record.state is not KeyState.PENDING:
                return
            if kept_bits is not None and kept_bits < record.bits:
                record = self._shorten(record, kept_bits)
            self._put(replace(record, state=KeyState.FINAL))

    def _shorten(self, record: KeyRecord, bits: int) -> KeyRecord:
        """Cut a key, also one that was cut before a crash could change its record."""
        size = packed_size(bits)
        with self._bits(record.key_id).open("r+b") as file:
            packed = bytearray(file.read())
            packed[size:] = bytes(len(packed) - size)
            if bits % 8:
                packed[size - 1] &= 0xFF << (8 - bits % 8) & 0xFF
            file.seek(0)
            file.write(packed)
            file.truncate(size)
            file.flush()
            os.fsync(file.fileno())
        return replace(record, bits=bits)

    def erase(self, key_id: str) -> None:
        """Give up a key; its record stays."""
        with self._locked():
            record = self.record(key_id)
            if record.state in (KeyState.PENDING, KeyState.FINAL):
                self._put(replace(record, state=KeyState.ERASED))
                files.erase(self._bits(key_id))

    def export(self, key_id: str, output: Path, form: str = "raw", *, unfit: bool = False) -> None:
        """Move a final key out of the store into a new owner-only file.

        The store gives a key away once: it is marked as consumed before the file gets
        its name, and erased.

        Parameters
        ----------
        key_id : str
        output : Path
            Must not exist.
        form : {'raw', 'hex', 'bits'}
            Packed bytes, hexadecimal of these, or text of 0 and 1.
        unfit : bool
            Also a key that is not fit for use.

        Raises
        ------
        UsageError
            If the key is not final or not fit for use, or the file exists.
        """
        with self._locked():
            record = self.record(key_id)
            if record.state is KeyState.PENDING:
                raise UsageError(
                    f"the key {key_id} is pending: the other party may not hold it",
                    remedy="connect both once more: `qlab key pair sync` settles it",
                )
            if not record.fit_for_use and not unfit:
                raise UsageError(
                    f"the key {key_id} is not fit for use: it is from a simulated, rehearsed, "
                    "seeded or demonstration run",
                    remedy="add --unfit to export it for tests",
                )
            if os.path.lexists(output):
                raise UsageError(f"{output} exists", remedy="choose another name")
            key = self.key(key_id)
            try:
                draft = files.stage(output, formatted(key, form))
            except OSError as error:
                raise QlabError(f"{output} cannot be written: {error.strerror}") from None
            self._put(replace(record, state=KeyState.CONSUMED))
            try:
                files.publish(draft, output)
            except OSError as error:
                raise QlabError(
                    f"{output} could not be named: {error.strerror or error}",
                    remedy=f"the key is in {draft}",
                ) from None
            files.erase(self._bits(key_id))

    def _bits(self, key_id: str) -> Path:
        return self.folder / f"{key_id}.key"

    def _put(self, record: KeyRecord) -> None:
        files.replace(self._bits(record.key_id).with_suffix(".json"), _text(record))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the store against other processes, and clear what a crash left of a step."""
        self.prepare()
        with files.locked(self.folder / ".lock"):
            for path in list(self.folder.iterdir()):
                if files.is_draft(path) or (path.suffix == ".key" and self._is_gone(path.stem)):
                    files.erase(path)
            yield

    def _is_gone(self, key_id: str) -> bool:
        """Whether a record says that its key is no more; without one the file is not ours."""
        try:
            return self.record(key_id).state in (KeyState.CONSUMED, KeyState.ERASED)
        except QlabError:
            return False


def formatted(key: SecretBits, form: str) -> bytes:
    """Return a key as the bytes of a file: ``raw``, ``hex`` or ``bits``."""
    packed = key.reveal()
    if form == "raw":
        return packed
    if form == "hex":
        return packed.hex().encode() + b"\n"
    return "".join(f"{octet:08b}" for octet in packed)[: len(key)].encode() + b"\n"


def _check_id(key_id: str) -> None:
    if not _ID.fullmatch(key_id):
        raise UsageError(f"{key_id!r} is no key id", remedy="see `qlab key list`")


def _text(record: KeyRecord) -> bytes:
    return (json.dumps(asdict(record), indent=2, sort_keys=True) + "\n").encode()


def _read(path: Path) -> KeyRecord:
    """Read a record; fields of a newer version are ignored."""
    with path.open("rb") as file:
        text = file.read(_LONGEST_RECORD)
    known = {field.name: field for field in fields(KeyRecord)}
    try:
        found: dict[str, Any] = json.loads(text)
        values = {name: value for name, value in found.items() if name in known}
        for name, value in values.items():
            wanted = known[name].type
            kinds = {"int": (int,), "float": (int, float), "bool": (bool,)}.get(str(wanted), (str,))
            if type(value) not in kinds:
                raise ValueError(name)
        state = KeyState(values.pop("state", KeyState.FINAL))
        record = KeyRecord(**values, state=state)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise DamagedKeyError(
            f"{path} is no record of a key",
            remedy="move it away, with the key beside it, or restore it",
        ) from None
    if f"{record.key_id}.json" != path.name or record.bits < 0:
        raise DamagedKeyError(f"{path} is the record of another key", remedy="move it away")
    return record
