"""Files of time tags: recognised by content, read in pieces, written and read again."""

from __future__ import annotations

import contextlib
import gzip
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.timetags.encoding.qcrypto import encode_a1
from protocols.timetags.tags import Tags
from qlab.cli import main
from qlab.errors import QlabError, UsageError
from qlab.runfile.errors import RunFileError
from qlab.tags import source
from qlab.tags.content import content_of
from qlab.tags.formats import FORMATS
from qlab.tags.opening import open_tags, sorted_chunks
from qlab.tags.source import DamagedTagsError
from qlab.tags.writing import WRITERS, write_tags

FINE = Fraction(1, 256_000_000_000)


def some_tags(count=5000, seed=1):
    draws = np.random.default_rng(seed)
    ticks = np.cumsum(draws.integers(0, 50_000_000, count))
    return Tags(ticks, draws.integers(1, 5, count).astype(np.int32))


def read(path, format_name=None):
    with open_tags(path, format_name) as opened:
        chunks = list(opened.chunks())
        tags = Tags(
            np.concatenate([each.ticks for each in chunks]),
            np.concatenate([each.channels for each in chunks]),
        )
        return opened, tags


def same(one, other):
    return np.array_equal(one.ticks, other.ticks) and np.array_equal(one.channels, other.channels)


def as_qutag(tags):
    records = np.zeros(len(tags), [("t", "<u8"), ("c", "<u2")])
    records["t"], records["c"] = tags.ticks, tags.channels
    return bytes(40) + records.tobytes()


def as_tdc1(tags):
    words = (tags.ticks % 2**27 << 5 | 1 << tags.channels - 1).astype("<u4")
    return words.tobytes()


BYTES_OF = {
    "qcrypto-a1": encode_a1,
    "qcrypto-a1-legacy": lambda tags: np.frombuffer(encode_a1(tags), "<u4")
    .reshape(-1, 2)[:, ::-1].tobytes(),
    "qcrypto-a2": lambda tags: b"".join(
        b"%016x\n" % word for word in np.frombuffer(encode_a1(tags), "<u8").tolist()
    ),
    "qcrypto-a0": lambda tags: b"".join(
        b"%08x\n" % half for half in np.frombuffer(encode_a1(tags), "<u4").tolist()
    ),
    "qutag": as_qutag,
    "tdc1": as_tdc1,
    "tdc1-text": lambda tags: b"".join(
        b"%d\t%s\n" % (2 * t, f"{1 << c - 1:04b}".encode())
        for t, c in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
    ),
    "csv": lambda tags: b"time_ps,channel\n" + b"".join(
        b"%d,%d\n" % pair for pair in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES_OF)
@pytest.mark.parametrize("ending", [".bin", ".dat", ".txt", ".ptu", ".csv"])
def test_a_file_is_recognised_by_its_content_whatever_its_ending(tmp_path, name, ending):
    step = 200 if name == "tdc1" else 50_000_000
    tags = some_tags(600)
    tags = Tags(tags.ticks * step // 50_000_000 + 20 * np.arange(600), tags.channels)
    path = tmp_path / f"file{ending}"
    path.write_bytes(BYTES_OF[name](tags))
    opened, found = read(path)
    assert opened.format == name
    assert same(found, tags)
    packed = tmp_path / f"packed{ending}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert same(read(packed)[1], tags)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("qcrypto-a1", encode_a1(some_tags(1))),
        ("qcrypto-a1", b"".join((t << 20 | t % 3).to_bytes(8, "little") for t in range(1, 9))),
        ("qutag", as_qutag(some_tags(1))),
        ("tdc1", b"".join((1980 << 5 | 16).to_bytes(4, "little") for _ in range(6))),
    ],
)
def test_short_and_quiet_files_are_recognised(tmp_path, name, data):
    path = tmp_path / f"file{FORMATS[name].endings[0]}"
    path.write_bytes(data)
    with open_tags(path) as opened:
        assert (opened.format, opened.notes) == (name, [])


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_again(tmp_path, name, monkeypatch):
    monkeypatch.setattr(source, "CHUNK_BYTES", 4096)
    tags = some_tags()
    pieces = [
        Tags(tags.ticks[a : a + 700], tags.channels[a : a + 700]) for a in range(0, 5000, 700)
    ]
    path = tmp_path / f"new{WRITERS[name].endings[0]}"
    assert write_tags(pieces, FINE, path, name) == (5000, 0)
    opened, found = read(path)
    assert (opened.format, opened.tick_s, opened.leftover) == (name, FINE, 0)
    assert opened.records == 5000
    assert same(found, tags)
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_a_file_is_not_overwritten_nor_left_half_written(tmp_path):
    path = tmp_path / "new.a1"
    write_tags([some_tags(10)], FINE, path, "qcrypto-a1")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        write_tags([some_tags(20)], FINE, path, "qcrypto-a1")
    bad = Tags(np.array([1]), np.array([9], np.int32))
    with pytest.raises(UsageError, match="channels 1 to 4"):
        write_tags([some_tags(20), bad], FINE, path, "qcrypto-a1", overwrite=True)
    assert path.read_bytes() == before
    write_tags([some_tags(20)], FINE, path, "qcrypto-a1", overwrite=True)
    assert len(path.read_bytes()) == 160
    assert [child.name for child in tmp_path.iterdir()] == ["new.a1"]


def test_rounding_is_asked_for_and_told(tmp_path):
    tags = Tags(np.array([0, 1, 3]), np.array([1, 1, 1], np.int32))
    with pytest.raises(UsageError, match=r"between two ticks.*--round"):
        write_tags([tags], Fraction(1, 10**12), tmp_path / "a.a1", "qcrypto-a1")
    _, error_s = write_tags(
        [tags], Fraction(1, 10**12), tmp_path / "a.a1", "qcrypto-a1", rounded=True
    )
    assert float(error_s) == pytest.approx(1e-12)  # 1 ps becomes 0; 3 ps become 3.90625
    assert read(tmp_path / "a.a1")[1].ticks.tolist() == [0, 0, 1]


def test_a_cut_file_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "cut.a1"
    path.write_bytes(encode_a1(some_tags(100))[:-5])
    opened, found = read(path)
    assert len(found) == 99
    assert opened.leftover == 3
    assert "3 bytes of an unfinished record" in opened.notes[0]


def test_content_is_what_a_plain_look_finds(tmp_path):
    tags = some_tags(3000)
    late = tags.ticks.copy()
    late[1500:] += 3 * 256_000_000_000
    late[[10, 700, 2900]] -= 90_000_000
    path = tmp_path / "file.a1"
    path.write_bytes(encode_a1(Tags(np.maximum(late, 0), tags.channels)))
    with open_tags(path) as opened:
        content = content_of(opened)
    seen = np.maximum(late, 0)
    highest = np.maximum.accumulate(seen)
    assert content.events == 3000
    assert content.channels == {c: int((tags.channels == c).sum()) for c in range(1, 5)}
    assert (content.start, content.end) == (seen.min(), seen.max())
    assert content.out_of_order == (highest > seen).sum()
    assert content.furthest_back == (highest - seen).max()
    assert [(gap.start, gap.end) for gap in content.gaps] == [(highest[1499], highest[1500])]


def test_tags_too_far_out_of_order_are_left_out_with_a_note(tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(b"time_ns,channel\n10,1\n5000000,1\n4999500,1\n20,2\n")
    with open_tags(path) as opened:
        found = [tick for tags in sorted_chunks(opened) for tick in tags.ticks.tolist()]
    assert found == [10, 4_999_500, 5_000_000]
    assert "1 tags are out of order by more than 1 us" in opened.notes[-1]


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [(b"", DamagedTagsError, "empty"), (b"\0" * 100, DamagedTagsError, "no format"),
     (b"time,channel\nx,y\n", DamagedTagsError, "no line of"),
     (gzip.compress(b"1,1\n" * 4000, mtime=0)[:-40], DamagedTagsError, "unpacked")],
)  # fmt: skip
def test_what_is_no_file_of_tags_is_refused(tmp_path, data, error, match):
    path = tmp_path / "file.bin"
    path.write_bytes(data)
    with pytest.raises(error, match=match):
        read(path)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        open_tags(tmp_path / "none")
    with pytest.raises(UsageError, match="no file"):
        open_tags(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"1,1\n")
    with pytest.raises(UsageError, match="no format 'ptx'"):
        open_tags(tmp_path / "a.csv", "ptx")
    with pytest.raises(UsageError, match="'min' says nothing"):
        open_tags(tmp_path / "a.csv", "csv:min")
    for detail in ("time=1", "time=2,channel=2", "ns,ps", "time=0,channel=1", "tick=", ","):
        with pytest.raises(UsageError):
            open_tags(tmp_path / "a.csv", f"csv:{detail}")
    assert read(tmp_path / "a.csv", "csv:us")[0].tick_s == Fraction(1, 10**6)
    opened, tags = read(tmp_path / "a.csv", "csv:us,tick=ns,time=2,channel=1")
    assert (opened.tick_s, tags.ticks.tolist()) == (Fraction(1, 10**9), [1000])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=700), name=st.sampled_from([None, *BYTES_OF]))
def test_garbage_is_refused_or_read_and_nothing_else(tmp_path, data, name):
    path = tmp_path / "garbage"
    path.write_bytes(data)
    with contextlib.suppress(QlabError, RunFileError):
        read(path, name)


def ended(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["tags", *map(str, arguments)])
    return end.value.code


def test_the_command_line_shows_and_converts(tmp_path, capsys):
    path = tmp_path / "file.a1"
    tags = some_tags(1000)
    path.write_bytes(encode_a1(tags))
    assert ended("info", path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    duration_ps = Fraction(int(tags.ticks[-1] - tags.ticks[0])) * FINE
    assert told["schema"] == "qlab.tags.info/1"
    assert (told["format"], told["events"], told["records"]) == ("qcrypto-a1", 1000, 1000)
    assert told["unit_ps"] == 3.90625
    assert told["start_ps"] == int(tags.ticks[0] * FINE * 10**12 // 1)
    assert told["end_ps"] == int(tags.ticks[-1] * FINE * 10**12 // 1)
    assert told["duration_s"] == pytest.approx(float(duration_ps), rel=1e-15)
    ones = int((tags.channels == 1).sum())
    assert told["channels"]["1"] == {"count": ones, "rate_hz": ones / told["duration_s"]}
    assert ended("convert", path, tmp_path / "new.h5", "--channels", "1,3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["events"] == np.isin(tags.channels, [1, 3]).sum()
    assert ended("convert", path, tmp_path / "new.h5") == 2
    assert ended("convert", path, tmp_path / "new.xyz") == 2
    assert ended("info", tmp_path / "new.h5") == 0
    assert ended("info", __file__) == 8
    assert "remedy" in capsys.readouterr().err
