"""Files of PicoQuant and of Becker & Hickl, opened by their content."""

from __future__ import annotations

import contextlib
import gzip
import json
import struct
from fractions import Fraction

import numpy as np
import ptufile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qlab.cli import main
from qlab.errors import QlabError, UsageError
from qlab.tags import source
from qlab.tags.opening import open_tags
from qlab.tags.source import DamagedTagsError

PS = Fraction(1, 10**12)
OVERFLOW, MARKERS_1_AND_3 = 0xFE000002, 1 << 31 | 5 << 25 | 9
RECORDS = [7, 1 << 25 | 8, MARKERS_1_AND_3, OVERFLOW, 3, 1 << 31 | 4, 1]
EVENTS = [
    *[(7, 1), (8, 2), (9, 101), (9, 103)],
    *[(2 * 2**25 + 3, 1), (2 * 2**25 + 4, 0), (2 * 2**25 + 1, 1)],
]


def tag(name, value):
    return ptufile.ptufile.encode_tag(name, value)


def ptu(records=RECORDS, *, count=7, kind=0x00010207, period=1e-12, comment="hello"):
    header = b"".join(
        [
            tag("File_Comment", comment),
            tag("TTResultFormat_TTTRRecType", kind),
            tag("TTResultFormat_BitsPerRecord", 32),
            tag("MeasDesc_GlobalResolution", period),
            tag("MeasDesc_Resolution", 25e-12),
            tag("TTResult_NumberOfRecords", count),
            tag("Header_End", None),
        ]
    )
    return b"PQTTTR\0\x001.0.00\0\0" + header + np.array(records, "<u4").tobytes()


def ht2(records=RECORDS):
    """Pack the least of a HydraHarp's header: what is not read is zero."""
    head = bytearray(720)
    head[:9], head[16:19] = b"HydraHarp", b"2.0"
    struct.pack_into("<3i", head, 332, 32, 0, 2)
    struct.pack_into("<iq", head, 708, 0, len(records))
    return bytes(head) + np.array(records, "<u4").tobytes()


def spc(records=(3 << 12 | 5, 0b1100 << 28 | 2, 1 << 12 | 6, 9 << 28 | 3 << 12 | 7)):
    return (1 << 31 | 250).to_bytes(4, "little") + np.array(records, "<u4").tobytes()


SPC_EVENTS = [(5, 4), (8198, 2), (8199, 100), (8199, 101)]


def read(path, name=None):
    with open_tags(path, name) as opened:
        events = [
            pair
            for tags in opened.chunks()
            for pair in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
        ]
        return opened, events


@pytest.mark.parametrize(
    ("data", "ending", "name", "events"),
    [
        (ptu(), ".ptu", "ptu", EVENTS),
        (ptu(), ".csv", "ptu", EVENTS),
        (ptu(comment="x" * 300_000), ".ptu", "ptu", EVENTS),
        (ht2(), ".ht2", "picoquant-legacy", EVENTS),
        (ht2(), ".ptu", "picoquant-legacy", EVENTS),
        (spc(), ".spc", "becker-hickl", SPC_EVENTS),
        (spc(), ".dat", "becker-hickl", SPC_EVENTS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_is_recognised_and_read(tmp_path, monkeypatch, data, ending, name, events):
    path, packed = tmp_path / f"file{ending}", tmp_path / f"file{ending}.gz"
    path.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    for chunk in (source.CHUNK_BYTES, 9, 1) if len(data) < 5000 else (10_007,):
        monkeypatch.setattr(source, "CHUNK_BYTES", chunk)
        for each in (path, packed):
            opened, found = read(each)
            assert (opened.format, found, opened.leftover) == (name, events, 0)


def test_files_that_ptufile_writes(tmp_path):
    draws = np.random.default_rng(1)
    counts = draws.integers(0, 3, (2, 5, 7, 3, 50), dtype=np.uint8)
    path = tmp_path / "image.ptu"
    ptufile.imwrite(path, counts, 2.5e-8, 2.5e-11, comment="an image")
    opened, events = read(path)
    with ptufile.PtuFile(path) as other:
        records = other.decode_records()
        photons = records[records["channel"] >= 0]
    assert opened.tick_s == PS
    assert [event for event in events if event[1] < 100] == [
        (25_000 * int(record["time"]) + 25 * int(record["dtime"]), int(record["channel"]) + 1)
        for record in photons
    ]
    markers = int(np.bitwise_count(records["marker"][records["marker"] > 0]).sum())
    assert len(events) == counts.sum() + markers
    assert opened.records == len(records)


@pytest.mark.parametrize(
    ("data", "events", "notes"),
    [
        (ptu()[:-3], EVENTS[:-1], ["1 bytes of an unfinished", "counts 7 records, the file ends"]),
        (ptu(count=2**62), EVENTS, ["counts 4,611,686,018,427,387,904 records"]),
        (ptu(count=2), EVENTS[:2], ["20 bytes beyond"]),
        (ptu(count=0), EVENTS, []),
        (ptu([7, 1 << 31 | 16 << 25], count=2), EVENTS[:1], ["1 records without a known meaning"]),
        (ptu([], count=0), [], []),
        (spc([5 | 1 << 29, 1 << 31])[:-1], [(5, 1)], ["macro-time", "3 bytes of", "FIFO overrun"]),
        (spc([5, 1 << 31]), [(5, 1)], ["macro-time", "1 invalid"]),
        (spc([]), [], ["macro-time"]),
    ],
)
def test_odd_ends_are_told(tmp_path, data, events, notes):
    path = tmp_path / ("file.ptu" if data.startswith(b"PQ") else "file.spc")
    path.write_bytes(data)
    opened, found = read(path)
    assert found == events
    assert len(opened.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, opened.notes, strict=True))


def test_photons_within_the_clock(tmp_path):
    path = tmp_path / "file.spc"
    path.write_bytes(spc([(4095 - 1024) << 16 | 2]))
    for detail in ("50/4", "12.5"):
        opened, events = read(path, f"becker-hickl:{detail}")
        assert opened.notes == []
        ((ticks, channel),) = events
        assert (ticks * opened.tick_s, channel) == (53_125 * PS, 1)
    for detail in ("x", "1/0", "-5", "0"):
        with pytest.raises(UsageError, match="becker-hickl:50/4"):
            open_tags(path, f"becker-hickl:{detail}")


@pytest.mark.parametrize(
    ("data", "name", "match"),
    [
        (ptu()[:100], None, "header does not end"),
        (b"PQTTTR", None, "header does not end"),
        (b"PQTTTR" + bytes(500), None, "of no type"),
        (ptu(kind=5), None, "type 0x5"),
        (ht2()[:400], None, "header does not end"),
        (b"PQHISTO\0" + bytes(500), "ptu", "does not begin"),
        (b"TimeHarp 200" + bytes(500), "picoquant-legacy", "name of an instrument"),
        (b"\0" * 40, "becker-hickl", "macro-time clock"),
        (b"", "becker-hickl", "ends within"),
        (gzip.compress(ptu(), mtime=0)[:60], "ptu", "Compressed file ended"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, data, name, match):
    path = tmp_path / "file.ptu"
    path.write_bytes(data)
    with pytest.raises(DamagedTagsError, match=match) as refused:
        read(path, name)
    assert refused.value.remedy


def test_info_of_a_t3_file(tmp_path, capsys):
    path = tmp_path / "pulsed.ptu"
    path.write_bytes(ptu([1 << 25 | 3 << 10 | 2], count=1, kind=0x01010304, period=1.25e-8))
    with pytest.raises(SystemExit) as ended:
        main(["tags", "info", str(path), "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["unit_ps"], told["start_ps"]) == ("ptu", 1, 25_075)
    assert told["channels"] == {"2": {"count": 1, "rate_hz": None}}
    (note,) = told["notes"]
    assert "synchronisations 12.5 ns apart" in note


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), which=st.sampled_from([ptu(), ht2(), spc(), ptu(kind=0x00010303)]))
def test_flipped_bytes_are_refused_or_read_and_nothing_else(tmp_path, data, which):
    file = bytearray(which)
    for _ in range(data.draw(st.integers(1, 5))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "file.spc"
    path.write_bytes(file)
    for name in (None, "ptu", "picoquant-legacy", "becker-hickl"):
        with contextlib.suppress(QlabError):
            read(path, name)
