"""PicoQuant's records and headers against slow decoding, and PTU files against ptufile."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from itertools import pairwise

import numpy as np
import ptufile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import FormatError
from protocols.timetags.decoding.legacy_picoquant import read_legacy_header
from protocols.timetags.decoding.picoquant import PicoQuantDecoder
from protocols.timetags.decoding.picoquant_header import (
    Layout,
    Recording,
    nominal_s,
    period_s,
    read_unified_header,
)

PS = Fraction(1, 10**12)
PERIOD_S = Fraction(1, 39_999_970)
TYPES = {
    Layout.PICOHARP_T2: [0x00010203],
    Layout.PICOHARP_T3: [0x00010303],
    Layout.HYDRAHARP1_T2: [0x00010204],
    Layout.HYDRAHARP1_T3: [0x00010304],
    Layout.COUNTED_T2: [0x01010204, 0x00010205, 0x00010206, 0x00010207],
    Layout.COUNTED_T3: [0x01010304, 0x00010305, 0x00010306, 0x00010307],
}
cuts = st.lists(st.integers(0, 200), max_size=5)
# Any word, and words that are special in one of the two families.
overflows = st.sampled_from([15 << 28, 15 << 28 | 5]) | st.builds(
    lambda low: 0xFE000000 | low, st.sampled_from([0, 1, 2, 3, 1023])
)
markers = st.builds(
    lambda mark, low: 1 << 31 | mark << 25 | low, st.integers(0, 16), st.integers(0, 2**25 - 1)
) | st.builds(
    lambda high, low: 15 << 28 | high << 16 | low, st.integers(0, 16), st.integers(0, 2**16 - 1)
)
inputs = st.builds(
    lambda high, low: high << 25 | low, st.integers(0, 127), st.integers(0, 2**25 - 1)
)
words = st.lists(st.one_of(st.integers(0, 2**32 - 1), inputs, overflows, markers), max_size=40)
# Half a tick of the second one is rounded up.
periods = st.sampled_from([PERIOD_S, Fraction(25001, 2) * PS, 12_500 * PS])


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compile the kernels before anybody looks at the time that an example takes."""
    for layout in (Layout.PICOHARP_T2, Layout.COUNTED_T2):
        decoded(PicoQuantDecoder(Recording(layout, PS, Fraction(0), 0, 0)), bytes(4))


def decoded(decoder, data, places=()):
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    pieces = [decoder.decode(data[a:b]) for a, b in pairwise(ends)]
    return [
        pair
        for tags in [*pieces, decoder.finish()]
        for pair in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
    ]


def recording(layout, *, header=0, records=0, resolution=25 * PS, period=PERIOD_S):
    return Recording(layout, resolution, period if layout.is_t3 else Fraction(0), header, records)


def plain(layout, data, resolution=25 * PS, period=PERIOD_S):
    """Decode words one by one, with fractions of a second; seconds, channels, meaningless ones."""
    events, unknown, turns = [], 0, 0
    for word in data:
        if layout.name.startswith("PICOHARP"):
            channel, high, low = word >> 28, word >> 16 & 0xFFF, word & 0xFFFF
            if layout is Layout.PICOHARP_T2:
                time, marks = word & 0xFFFFFFF, word & 15
                if channel == 15 and not marks:
                    turns += 210698240
                elif channel == 15:
                    events += [((turns + time - marks) * resolution, 101 + n) for n in bits(marks)]
                elif channel <= 4:
                    events.append(((turns + time) * resolution, channel))
                else:
                    unknown += 1
            elif channel == 15 and not high:
                turns += 65536
            elif channel == 15:
                events += [((turns + low) * period, 101 + n) for n in bits(high & 15)]
                unknown += not high & 15
            elif 1 <= channel <= 4:
                events.append(((turns + low) * period + high * resolution, channel))
            else:
                unknown += 1
            continue
        special, channel = word >> 31, word >> 25 & 63
        low, since = (word & 1023, word >> 10 & 32767) if layout.is_t3 else (word & 0x1FFFFFF, 0)
        unit = period if layout.is_t3 else resolution
        if special and channel == 63:
            wrap = 1024 if layout.is_t3 else 33552000 if "1" in layout.name else 33554432
            turns += wrap * (max(low, 1) if layout.name.startswith("COUNTED") else 1)
        elif not special:
            events.append(((turns + low) * unit + since * resolution, channel + 1))
        elif 1 <= channel <= 15:
            events += [((turns + low) * unit, 101 + n) for n in bits(channel)]
        elif channel == 0 and not layout.is_t3:
            events.append(((turns + low) * unit, 0))
        else:
            unknown += 1
    return events, unknown


def bits(number):
    return [n for n in range(4) if number >> n & 1]


@pytest.mark.parametrize("layout", Layout)
@settings(max_examples=60)
@given(data=words, at=cuts, period=periods)
def test_records_cut_anywhere(layout, data, at, period):
    expected, unknown = plain(layout, data, period=period)
    decoder = PicoQuantDecoder(recording(layout, header=7, period=period))
    found = decoded(decoder, b"heading" + np.array(data, "<u4").tobytes() + b"\1\2", at)
    assert [channel for _, channel in found] == [channel for _, channel in expected]
    assert (decoder.records, decoder.leftover, decoder.unknown) == (len(data), 2, unknown)
    if layout.is_t3:
        assert decoder.tick_s == PS
        assert [t for t, _ in found] == [nearest(t / PS) for t, _ in expected]
    else:
        assert [t * decoder.tick_s for t, _ in found] == [t for t, _ in expected]


def nearest(number):
    """Return the nearest whole number; halves go up."""
    return (2 * number.numerator + number.denominator) // (2 * number.denominator)


def test_a_period_of_whole_ticks_is_exact_for_ever():
    decoder = PicoQuantDecoder(
        recording(Layout.COUNTED_T3, resolution=250 * PS, period=Fraction(1, 80_000_000))
    )
    wraps = [0xFE000000 | 1023] * 100_000
    (found,) = decoded(decoder, np.array([*wraps, 3 << 10 | 5], "<u4").tobytes())
    assert found == ((1023 * 1024 * 100_000 + 5) * 12_500 + 3 * 250, 1)


@pytest.mark.parametrize("layout", [Layout.COUNTED_T2, Layout.COUNTED_T3])
def test_times_beyond_64_bits_are_refused(layout):
    decoder = PicoQuantDecoder(recording(layout, period=Fraction(1, 2)))
    with pytest.raises(FormatError, match="64 bits"):
        decoded(decoder, b"\xff" * 400_000)


@given(records=st.integers(1, 12), at=cuts)
def test_what_lies_beyond_the_records_is_left_out(records, at):
    data = b"head" + np.arange(10, dtype="<u4").tobytes() + b"\0"
    decoder = PicoQuantDecoder(recording(Layout.COUNTED_T2, header=4, records=records))
    assert decoded(decoder, data, at) == [(n, 1) for n in range(min(records, 10))]
    assert decoder.surplus == max(0, len(data) - 4 - 4 * records)
    assert decoder.leftover == (records > 10)


def test_periods_that_no_tick_fits_are_refused():
    with pytest.raises(FormatError, match="period"):
        PicoQuantDecoder(recording(Layout.COUNTED_T3, resolution=PS / 100, period=Fraction(1)))


# ---- numbers in headers ------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (1e-12, PS),
        (float(np.float32(25e-12)), 25 * PS),
        (2.5e-10, 250 * PS),
        (6.25e-12, Fraction(25, 4) * PS),
        (1.0001e-11, Fraction(10001, 1000) * PS),
        (3.0517578125e-11, Fraction("3.0517578125e-11")),
    ],
)
def test_resolutions_are_what_they_mean(value, meant):
    assert nominal_s(value) == meant


@pytest.mark.parametrize("value", [0.0, -1e-12, 1.0, float("nan"), float("inf"), 1e-15])
def test_resolutions_that_cannot_be(value):
    with pytest.raises(FormatError, match="resolution"):
        nominal_s(value)
    with pytest.raises(FormatError, match="period"):
        period_s(value if value != 1 else 2.0, 0)


@given(rate=st.integers(1, 2**31 - 1).filter(lambda rate: rate < 10**11))
def test_periods_are_of_whole_rates(rate):
    assert period_s(1 / rate, rate) == Fraction(1, rate)
    assert period_s(1 / rate, 0) == Fraction(repr(1 / rate))


# ---- PTU ---------------------------------------------------------------------------


def tags_of(kind=0x01010204, **changes):
    tags = {
        "File_GUID": "{00000000-0000-0000-0000-000000000000}",
        "File_Comment": "é" * 5,
        "Measurement_Mode": 3 if kind & 0xF00 == 0x300 else 2,
        "Measurement_SubMode": 0,
        "TTResultFormat_TTTRRecType": kind,
        "TTResultFormat_BitsPerRecord": 32,
        "MeasDesc_GlobalResolution": float(PERIOD_S) if kind & 0xF00 == 0x300 else 25e-12,
        "MeasDesc_Resolution": 25e-12,
        "TTResult_SyncRate": 39_999_970,
        "TTResult_NumberOfRecords": 0,
        "Some_Blob": b"\1\2\3",
        "Some_Flag": True,
        "Some_Nothing": None,
    }
    tags.update(changes)
    return {name: value for name, value in tags.items() if value != "absent"}


def ptu(records=(), **changes):
    tags = tags_of(**changes)
    header = b"".join(ptufile.ptufile.encode_tag(name, value) for name, value in tags.items())
    end = ptufile.ptufile.encode_tag("Header_End", None)
    return b"PQTTTR\0\x001.0.00\0\0" + header + end + np.array(records, "<u4").tobytes()


@pytest.mark.parametrize("kind", [kind for kinds in TYPES.values() for kind in kinds])
@settings(max_examples=25)
@given(data=words.filter(len))
def test_ptufile_reads_the_same(kind, data):
    file = ptu(data, kind=kind, TTResult_NumberOfRecords=len(data))
    said = read_unified_header(file)
    assert kind in TYPES[said.layout]
    picoharp, t3 = said.layout.name.startswith("PICOHARP"), said.layout.is_t3
    # What PicoQuant does not define, ptufile takes for something nevertheless; the time of
    # 128 roll-overs and more in one record of T2 overflows its 32 bits.
    long = said.layout is Layout.COUNTED_T2
    data = [
        word
        for word in data
        if plain(said.layout, [word])[1] == 0 and not (long and word >= 0xFE000080)
    ]
    file = ptu(data, kind=kind, TTResult_NumberOfRecords=len(data))
    decoder = PicoQuantDecoder(said)
    found = decoded(decoder, file)
    with ptufile.PtuFile(io.BytesIO(file)) as other:
        theirs = other.decode_records(np.array(data, np.uint32))
    expected = []
    for word, record in zip(data, theirs, strict=True):
        time, marks = int(record["time"]), int(record["marker"])
        since = int(record["dtime"]) if t3 else 0
        ours = nearest(time * PERIOD_S / PS) + 25 * max(since, 0) if t3 else time
        if marks:
            ours -= marks if picoharp and not t3 else 0
            expected += [(ours, 101 + n) for n in bits(marks)]
        elif record["channel"] >= 0:
            sync = not picoharp and word >> 31
            one_less = t3 or not picoharp
            expected.append((ours, 0 if sync else int(record["channel"]) + one_less))
    assert found == expected


def test_the_header_says_where_records_begin_and_how_many():
    file = ptu([1, 2], TTResult_NumberOfRecords=2)
    assert read_unified_header(file) == Recording(
        Layout.COUNTED_T2, 25 * PS, Fraction(0), len(file) - 8, 2
    )
    assert read_unified_header(file[:-8]) is not None
    for end in range(16, len(file) - 8, 5):
        assert read_unified_header(file[:end]) is None


def test_further_entries_of_a_list_say_nothing():
    file = ptu()
    further = ptufile.ptufile.encode_tag("TTResult_NumberOfRecords", 5, 1)
    assert read_unified_header(file[:-48] + further + file[-48:]).records == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": 0x99}, "type"),
        ({"TTResultFormat_TTTRRecType": "absent"}, "RecType"),
        ({"TTResultFormat_TTTRRecType": 1.0}, "RecType"),
        ({"TTResultFormat_BitsPerRecord": 64}, "64 bits"),
        ({"TTResult_NumberOfRecords": -1}, "-1 records"),
        ({"MeasDesc_GlobalResolution": "absent"}, "GlobalResolution"),
        ({"MeasDesc_GlobalResolution": float("nan")}, "GlobalResolution"),
        ({"kind": 0x00010307, "MeasDesc_Resolution": "absent"}, "MeasDesc_Resolution"),
        ({"kind": 0x00010307, "MeasDesc_GlobalResolution": -1.0}, "period"),
        ({"kind": 0x00010307, "MeasDesc_Resolution": 0.0}, "resolution"),
    ],
)
def test_headers_that_lack_something(changes, named):
    with pytest.raises(FormatError, match=named):
        read_unified_header(ptu(**changes))


@pytest.mark.parametrize("size", [-1, -(2**63), 2**40, 2**63 - 1])
@pytest.mark.parametrize("kind", [0x4001FFFF, 0xFFFFFFFF])
def test_sizes_in_the_header_that_cannot_be(size, kind):
    tag = struct.pack("<32siIq", b"Bad", -1, kind, size)
    with pytest.raises(FormatError, match="claims"):
        read_unified_header(ptu()[:16] + tag)


def test_a_header_that_does_not_end():
    tag = struct.pack("<32siIq", b"Long", -1, 0xFFFFFFFF, 1 << 26)
    assert read_unified_header(ptu()[:16] + tag[:24]) is None
    with pytest.raises(FormatError, match="end"):
        read_unified_header(ptu()[:16] + tag + tag)


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_headers_are_refused_or_read(data):
    file = bytearray(ptu([1, 2, 3]))
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    legacy = bytearray(legacy_file("HydraHarp", "2.0", 3))
    for _ in range(data.draw(st.integers(1, 4))):
        legacy[data.draw(st.integers(328, len(legacy) - 1))] = data.draw(st.integers(0, 255))
    for read, content in ((read_unified_header, file), (read_legacy_header, legacy)):
        try:
            said = read(bytes(content))
        except FormatError:
            continue
        if said is not None:
            decoded(PicoQuantDecoder(said), bytes(content))


# ---- older files -------------------------------------------------------------------


def legacy_file(instrument, version, mode, records=(), count=None, rate=39_999_970, **changes):
    """Pack an older file from the structures that PicoQuant publishes."""
    count = len(records) if count is None else count
    image, inputs, bits_each = changes.get("image", 2), changes.get("inputs", 3), 32
    text = struct.pack(
        "<16s6s18s12s18s2s256s",
        *(
            instrument.encode(),
            version.encode(),
            b"program",
            b"1",
            b"01/01/11",
            b"\r\n",
            b"comment",
        ),
    )
    curves = struct.pack("<16i9f4i20s", *range(16), *range(9), *range(4), b"script")
    if instrument == "PicoHarp 300":
        settings_block = struct.pack("<18i", 1, bits_each, 1, 1, 0, mode, *range(12))
        board = struct.pack(
            "<16s8s6if2i24i", b"PicoHarp 300", b"2", *range(6), 0.032, 0, 0, *range(24)
        )
        ends = struct.pack("<9i", 0, 0, 0, rate, 5, 0, 0, count, image)
    else:
        settings_block = struct.pack("<6id10i", 1, bits_each, 0, mode, 0, 1, 32.0, *range(10))
        board = struct.pack(
            "<16s8s2i20idq8i", b"HydraHarp", b"9", 1, 1, *range(20), 1.0, 3, inputs, *range(7)
        )
        board += bytes(20 * max(inputs, 0))
        ends = struct.pack("<4iq", rate, 0, 0, image, count)
    head = text + settings_block + curves + board + ends + bytes(4 * max(image, 0))
    return head + np.array(records, "<u4").tobytes()


@pytest.mark.parametrize(
    ("instrument", "version", "mode", "layout", "tick"),
    [
        ("PicoHarp 300", "2.0", 2, Layout.PICOHARP_T2, 4 * PS),
        ("PicoHarp 300", "2.0", 3, Layout.PICOHARP_T3, 32 * PS),
        ("HydraHarp", "1.0", 2, Layout.HYDRAHARP1_T2, PS / 2),
        ("HydraHarp", "1.0", 3, Layout.HYDRAHARP1_T3, 32 * PS),
        ("HydraHarp", "2.0", 2, Layout.COUNTED_T2, PS),
        ("HydraHarp", "2.0", 3, Layout.COUNTED_T3, 32 * PS),
    ],
)
def test_older_headers(instrument, version, mode, layout, tick):
    file = legacy_file(instrument, version, mode, [1, 2, 3])
    period = PERIOD_S if mode == 3 else Fraction(0)
    said = read_legacy_header(file)
    assert said == Recording(layout, tick, period, len(file) - 12, 3)
    assert decoded(PicoQuantDecoder(said), file) == [
        (nearest(t / (PS if mode == 3 else tick)), channel)
        for t, channel in plain(layout, [1, 2, 3], tick, PERIOD_S)[0]
    ]
    for end in range(22, len(file) - 12 - 8, 23):
        assert read_legacy_header(file[:end]) is None


@pytest.mark.parametrize(
    ("arguments", "changes", "named"),
    [
        (("TimeHarp 260", "1.0", 2), {}, "instrument"),
        (("PicoHarp 300", "1.0", 2), {}, "version"),
        (("HydraHarp", "2.0", 0), {}, "mode 0"),
        (("HydraHarp", "2.0", 3), {"inputs": -1}, "inputs"),
        (("HydraHarp", "2.0", 3), {"inputs": 1000}, "inputs"),
        (("HydraHarp", "2.0", 3), {"image": -1}, "image"),
        (("PicoHarp 300", "2.0", 3), {"count": -5}, "-5 records"),
        (("PicoHarp 300", "2.0", 3), {"rate": 0}, "0 Hz"),
    ],
)
def test_older_headers_that_cannot_be(arguments, changes, named):
    with pytest.raises(FormatError, match=named):
        read_legacy_header(legacy_file(*arguments, **changes))
