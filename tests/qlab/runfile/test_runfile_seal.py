import contextlib

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runfile_makers import make_run, make_unfinished

from qlab.runfile import opening, verify
from qlab.runfile.errors import DamagedFileError, ForeignFileError, RunFileError
from qlab.runfile.reader import RunFile
from qlab.runfile.seal import BLOCK_SIZE, UNSEALED, Seal, check_seal, encode


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("closed") / "run.h5", records=12).read_bytes()


@pytest.fixture
def no_parser(monkeypatch):
    """Make any use of HDF5, here or in a child, an error of its own."""

    def parsed(*_, **__):
        raise AssertionError("HDF5 got to see a damaged file")

    monkeypatch.setattr(h5py, "File", parsed)
    monkeypatch.setattr(opening.h5py, "File", parsed)
    monkeypatch.setattr(verify.subprocess, "run", parsed)


def refused(path, content):
    path.write_bytes(content)
    try:
        RunFile.open(path).close()
    except RunFileError as error:
        assert error.remedy
        assert "\n" not in str(error)
        return type(error)
    return None


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_closed_file_passes(tmp_path, closed):
    path = tmp_path / "run.h5"
    path.write_bytes(closed)
    found = check_seal(path)
    assert found is not None
    assert found.length == len(closed)
    with RunFile.open(path) as run:
        assert run.sealed


@contextlib.contextmanager
def flipped_in_place(path, bit):
    with path.open("r+b", buffering=0) as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
        yield
        file.seek(bit // 8)
        file.write(bytes([byte]))


@pytest.mark.usefixtures("no_parser")
def test_every_flipped_bit_of_the_seal_is_found(tmp_path, closed):
    path = tmp_path / "run.h5"
    path.write_bytes(closed)
    for bit in range(8 * BLOCK_SIZE):
        with flipped_in_place(path, bit), pytest.raises(DamagedFileError):
            RunFile.open(path)
    assert check_seal(path)


@pytest.mark.usefixtures("no_parser")
def test_every_flipped_bit_of_the_open_mark_is_found(tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes(UNSEALED + b"\x89HDF")
    for bit in range(8 * BLOCK_SIZE):
        with flipped_in_place(path, bit), pytest.raises(DamagedFileError):
            RunFile.open(path)


@pytest.mark.usefixtures("no_parser")
def test_one_bit_of_every_page_is_found(tmp_path, closed):
    path = tmp_path / "run.h5"
    path.write_bytes(closed)
    for byte in range(BLOCK_SIZE, len(closed), 509):
        with flipped_in_place(path, 8 * byte + byte % 8), pytest.raises(DamagedFileError):
            RunFile.open(path)
    assert check_seal(path)


@pytest.fixture(scope="module")
def closed_file(tmp_path_factory, closed):
    path = tmp_path_factory.mktemp("file") / "run.h5"
    path.write_bytes(closed)
    return path


@given(position=st.floats(0, 1, exclude_max=True))
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_anywhere_is_found(closed_file, position):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening.h5py, "File", None)
        patch.setattr(verify, "examine_in_child", None)
        bit = int(position * 8 * closed_file.stat().st_size)
        with flipped_in_place(closed_file, bit), pytest.raises(DamagedFileError):
            RunFile.open(closed_file)


@given(length=st.integers(0, 1 << 14))
@settings(max_examples=60, deadline=None)
def test_truncation_is_found(tmp_path_factory, closed_file, length):
    closed = closed_file.read_bytes()
    path = tmp_path_factory.getbasetemp() / "short.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening.h5py, "File", None)
        patch.setattr(verify, "examine_in_child", None)
        assert refused(path, closed[: min(length, len(closed) - 1)]) is DamagedFileError
        assert refused(path, closed[: len(closed) - 1 - length]) is DamagedFileError


def test_appended_bytes_are_found(tmp_path, closed, no_parser):
    assert refused(tmp_path / "run.h5", closed + b"\0") is DamagedFileError


def test_a_seal_taken_off_does_not_make_a_closed_file_an_interrupted_one_silently(tmp_path, closed):
    """Whoever writes the open mark over a seal gets the file examined in the child."""
    path = tmp_path / "run.h5"
    path.write_bytes(UNSEALED + flipped(closed, 8 * (len(closed) // 2))[BLOCK_SIZE:])
    try:
        with RunFile.open(path) as run:
            assert not run.sealed
    except DamagedFileError:
        pass


@pytest.mark.parametrize(
    "content",
    [b"hello", b"\x89HDF\r\n\x1a\n" + bytes(5000), bytes(5000), b"PK\x03\x04" * 400],
    ids=["text", "hdf5", "zeros", "zip"],
)
def test_foreign_files_are_told_from_damaged_ones(tmp_path, content, no_parser):
    assert refused(tmp_path / "run.h5", content) is ForeignFileError


def test_an_empty_file_is_damaged(tmp_path, no_parser):
    assert refused(tmp_path / "run.h5", b"") is DamagedFileError


@given(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32))
def test_the_block_is_512_bytes_and_differs_from_the_open_mark(length, digest):
    block = encode(Seal(length, digest))
    assert len(block) == BLOCK_SIZE == len(UNSEALED)
    assert block != UNSEALED


def test_an_unfinished_file_has_no_seal(tmp_path):
    path = make_unfinished(tmp_path / "run.h5", records=4)
    assert check_seal(path) is None
