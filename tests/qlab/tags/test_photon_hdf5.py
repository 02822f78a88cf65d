"""Photon-HDF5 files: written as the format demands, read against a slow sum, and refused."""

from __future__ import annotations

import random
import sys
from fractions import Fraction

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.timetags.tags import Tags
from qlab.errors import QlabError, UsageError
from qlab.tags import photon_hdf5
from qlab.tags.opening import open_tags
from qlab.tags.photon_hdf5_child import PIECE, Photons, exact
from qlab.tags.photon_hdf5_writing import PhotonHdf5Writer
from qlab.tags.source import DamagedTagsError
from qlab.tags.writing import write_tags

PS = Fraction(1, 10**12)
# What the specification of version 0.5 calls mandatory, and what kind it is.
MANDATORY = {
    "acquisition_duration": "number",
    "description": "text",
    "photon_data/timestamps": "array",
    "photon_data/detectors": "array",
    "photon_data/timestamps_specs/timestamps_unit": "number",
    "setup/num_pixels": "number",
    "setup/num_spots": "number",
    "setup/num_spectral_ch": "number",
    "setup/num_polarization_ch": "number",
    "setup/num_split_ch": "number",
    "setup/modulated_excitation": "number",
    "setup/lifetime": "number",
    "setup/excitation_alternated": "array",
    "identity/format_name": "text",
    "identity/format_version": "text",
    "identity/format_url": "text",
    "identity/software": "text",
    "identity/software_version": "text",
    "identity/creation_time": "text",
}


def tags_of(events):
    return Tags(
        np.array([t for t, _ in events], np.int64), np.array([c for _, c in events], np.int32)
    )


def in_memory():
    return h5py.File("photons.h5", "w", driver="core", backing_store=False)


def fill(file, *, name="photon_data", unit=5e-9, timestamps=(1, 2, 3), **columns):
    """Write the least that makes a group of photons; more columns and a unit if given."""
    group = file.create_group(name)
    group["timestamps"] = np.array(timestamps, np.int64)
    group["timestamps_specs/timestamps_unit"] = unit
    for column, values in columns.items():
        if column == "bin_s":
            group["nanotimes_specs/tcspc_unit"] = values
        else:
            group[column] = values
    return group


def read(path, format_name=None):
    with open_tags(path, format_name) as source:
        found = [
            pair
            for tags in source.chunks()
            for pair in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
        ]
        return source, found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.hdf5"


# ---- written and read --------------------------------------------------------------


@pytest.mark.parametrize("tick_s", [PS, Fraction(1, 256 * 10**9), Fraction(7, 3 * 10**11)])
def test_what_is_written_is_read_again(path, tick_s):
    events = [(5, 1), (-3, -2), (1 << 60, 300), (1 << 60, 1)] * 3
    pieces = [tags_of(events[:5]), Tags.none(), tags_of(events[5:])]
    count, _ = write_tags(pieces, tick_s, path, "photon-hdf5")
    source, found = read(path)
    assert (count, source.records, found) == (12, 12, events)
    assert source.tick_s == tick_s
    assert source.notes == []
    with h5py.File(path) as file:
        assert file["setup/num_pixels"][()] == 3
        assert file["setup/detectors/id"][:].tolist() == [-2, 1, 300]
        assert file["setup/detectors/counts"][:].tolist() == [3, 6, 3]
        duration = file["acquisition_duration"][()]
        assert duration == pytest.approx(float(((1 << 60) + 3) * tick_s))


def test_all_that_the_format_demands_is_there(path):
    write_tags([tags_of([(10, 1), (30, 2)])], PS, path, "photon-hdf5")
    kinds = {}
    with h5py.File(path) as file:
        for name in MANDATORY:
            node = file[name]
            shape, kind = node.shape, node.dtype.kind
            kinds[name] = "array" if len(shape) == 1 else "text" if kind == "S" else "number"
        file.visititems(lambda name, node: name.startswith("user") or node.attrs["TITLE"])
        assert file.attrs["TITLE"]
        assert file["identity/format_name"][()] == file.attrs["format_name"] == b"Photon-HDF5"
        assert file["identity/format_version"][()] == file.attrs["format_version"] == b"0.5"
    assert kinds == MANDATORY


def test_no_tags_make_a_file_too(path):
    write_tags([], PS, path, "photon-hdf5")
    assert read(path)[1] == []


def test_channels_that_do_not_fit_are_refused(path):
    with pytest.raises(UsageError, match="16 bits"):
        write_tags([tags_of([(1, 1 << 15)])], PS, path, "photon-hdf5")
    assert not path.exists()
    writer = PhotonHdf5Writer(path, PS)
    with pytest.raises(ParameterError):
        writer.write(tags_of([(1, -(1 << 15) - 1)]))
    writer.close()


# ---- what others write -------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    timestamps=st.lists(st.integers(0, 2**45), max_size=20),
    rate=st.sampled_from([80_000_000, 80_000_123, 39_999_970, 19_531_250]),
    bin_ps=st.sampled_from([1.0, 4.0, 12.207, 0.815]),
    draws=st.randoms(use_true_random=False),
)
@example([2**45, 2**45 - 1], 39_999_970, 0.815, random.Random(1))
def test_nanotimes_add_up_to_a_picosecond(timestamps, rate, bin_ps, draws):
    nanotimes = [draws.randrange(65536) for _ in timestamps]
    detectors = [draws.randrange(256) for _ in timestamps]
    with in_memory() as file:
        fill(
            file, unit=1 / rate, timestamps=timestamps, bin_s=bin_ps * 1e-12,
            nanotimes=np.array(nanotimes, np.uint16), detectors=np.array(detectors, np.uint8),
        )  # fmt: skip
        photons = Photons.of(file, "")
        pieces = list(photons.pieces())
    assert photons.tick_s == PS
    assert photons.unit_s == Fraction(1, rate)
    assert [c for _, channels in pieces for c in channels.tolist()] == detectors
    ticks = [t for times, _ in pieces for t in times.tolist()]
    for found, count, late in zip(ticks, timestamps, nanotimes, strict=True):
        wanted = (count * photons.unit_s + late * photons.bin_s) / PS
        assert abs(found - wanted) <= Fraction(501, 1000)


def test_pieces_join_without_a_seam():
    timestamps = np.arange(PIECE + 3)
    with in_memory() as file:
        fill(file, timestamps=timestamps)
        pieces = list(Photons.of(file, "").pieces())
    assert [len(ticks) for ticks, _ in pieces] == [PIECE, 3]
    assert np.array_equal(np.concatenate([ticks for ticks, _ in pieces]), timestamps)


@pytest.mark.parametrize(
    "seconds, wanted",
    [
        (1e-12, PS),
        (12.5e-9, Fraction(1, 80_000_000)),
        (1 / 256e9, Fraction(1, 256 * 10**9)),
        (1 / 80_000_123, Fraction(1, 80_000_123)),
        (1 / 3e9, Fraction(1, 3 * 10**9)),
        (2e-9, Fraction(2, 10**9)),
        (1.0, Fraction(1)),
    ],
)
def test_a_unit_is_the_number_that_its_float_stands_for(seconds, wanted):
    assert exact(seconds) == wanted


def test_a_file_of_another_writer_through_the_child(path):
    with h5py.File(path, "w") as file:
        fill(file, name="photon_data0", timestamps=[1, 2])
        fill(file, name="photon_data1", timestamps=[3, 4], nanotimes=[1, 2], detectors=[0, 1])
    with pytest.raises(DamagedTagsError, match="choose one of photon_data0, photon_data1"):
        open_tags(path)
    source, found = read(path, "photon-hdf5:1")
    assert found == [(3, 0), (4, 1)]
    assert source.tick_s == Fraction(5, 10**9)
    assert source.notes == ["nanotimes are left out: the file does not say their unit"]
    source, found = read(path, "photon-hdf5:photon_data0")
    assert found == [(1, 0), (2, 0)]
    assert source.notes == ["the file names no detectors: all tags are on channel 0"]
    with pytest.raises(UsageError, match="closed"):
        next(source.chunks())


# ---- strangers' files --------------------------------------------------------------


def outside(file):
    group = fill(file)
    del group["timestamps"]
    group.create_dataset("timestamps", (4,), "i8", external=[("/etc/hostname", 0, 32)])


def linked(file):
    fill(file)["detectors"] = h5py.ExternalLink("other.h5", "/x")


def virtual(file):
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    fill(file).create_virtual_dataset("detectors", layout)


def empty_claim(file):
    group = fill(file)
    del group["timestamps"]
    group.create_dataset("timestamps", (1 << 50,), "i8", chunks=(1024,))


def claim_without_chunks(file):
    group = fill(file)
    del group["timestamps"]
    group.create_dataset("timestamps", (1 << 40,), "i8")


def great_chunk(file):
    group = fill(file)
    del group["timestamps"]
    group.create_dataset("timestamps", (1 << 26,), "i8", chunks=(1 << 26,), compression="gzip")


def strangely_packed(file):
    group = fill(file)
    del group["timestamps"]
    group.create_dataset(
        "timestamps", (3,), "i8", chunks=(3,), compression=32001, allow_unknown_filter=True
    )


def without_unit(file):
    del fill(file)["timestamps_specs"]


FORGERIES = [
    (lambda file: None, "no Photon-HDF5 file"),
    (outside, "not stored in this file"),
    (linked, "it has no detectors"),
    (virtual, "not stored in this file"),
    (empty_claim, "claims"),
    (claim_without_chunks, "claims"),
    (great_chunk, "chunks of"),
    (strangely_packed, "install hdf5plugin"),
    (without_unit, "it has no timestamps_specs/timestamps_unit"),
    (lambda file: fill(file, unit=float("nan")), "unit of time"),
    (lambda file: fill(file, unit=-1.0), "unit of time"),
    (lambda file: fill(file, unit=np.ones(3)), "no number"),
    (lambda file: fill(file, detectors=np.ones(3)), "no column of whole numbers"),
    (lambda file: fill(file, detectors=np.ones((3, 1), int)), "no column of whole numbers"),
    (lambda file: fill(file, detectors=np.ones(2, int)), "not equally long"),
    (lambda file: fill(file, detectors=np.full(3, 1 << 31)), "beyond all bounds"),
    (lambda file: fill(file, timestamps=[1 << 62]), "beyond all bounds"),
    (
        lambda file: fill(file, timestamps=[1 << 60], nanotimes=[0], bin_s=1e-12),
        "beyond all bounds",
    ),
    (lambda file: fill(file, detectors=np.full(3, 2**64 - 1, np.uint64)), "beyond all bounds"),
    (lambda file: fill(file).create_group("detectors"), "no dataset"),
]


@pytest.mark.parametrize("forge, said", FORGERIES)
def test_what_cannot_be_is_refused(forge, said):
    with in_memory() as file:
        forge(file)
        with pytest.raises(ValueError, match=said):
            list(Photons.of(file, "").pieces())


def test_a_refusal_reaches_whoever_opened_the_file(path):
    with h5py.File(path, "w") as file:
        fill(file, detectors=np.full(3, 1 << 31))
    with open_tags(path) as source, pytest.raises(DamagedTagsError, match="beyond all bounds"):
        list(source.chunks())
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(DamagedTagsError, match=r"a\.hdf5"):
        open_tags(path)


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(60)", "import os; os.abort()", "print('J' * 5)", "print()"]
)
def test_a_child_that_hangs_or_dies_is_a_damaged_file(path, monkeypatch, code):
    write_tags([tags_of([(1, 1)])], PS, path, "photon-hdf5")
    monkeypatch.setattr(photon_hdf5, "STALL_S", 0.5)
    monkeypatch.setattr(
        photon_hdf5, "confined_command", lambda *arguments: [sys.executable, "-c", code]
    )
    with pytest.raises(DamagedTagsError, match=r"does not come to an end|goes wrong"):
        open_tags(path)


@pytest.mark.parametrize("examples", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_flipped_bits_are_read_or_refused(path, examples):
    write_tags([tags_of([(n, n % 5) for n in range(2000)])], PS, path, "photon-hdf5")
    content, draws = path.read_bytes(), random.Random(examples)
    for _ in range(examples):
        damaged = bytearray(content)
        for _ in range(draws.randrange(1, 20)):
            damaged[draws.randrange(8, len(damaged))] ^= 1 << draws.randrange(8)
        path.write_bytes(damaged[: draws.choice([None, len(damaged) // 2])])
        try:
            assert len(read(path)[1]) <= len(content)
        except QlabError as error:
            assert "\n" not in str(error)
