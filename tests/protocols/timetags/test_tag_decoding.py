"""Decoders of time tags against slow, obvious ones, on any data cut anywhere."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.simulated.devices.sfifteen_tdc1 import WordEncoder
from drivers.time_taggers.sfifteen_stamps import StampDecoder
from protocols.errors import FormatError, ParameterError
from protocols.timetags.decoding.id900 import Id900Decoder
from protocols.timetags.decoding.qcrypto import HexDecoder, WordDecoder
from protocols.timetags.decoding.qutag import QutagDecoder
from protocols.timetags.decoding.tdc1 import Tdc1Decoder
from protocols.timetags.decoding.tdc1_text import Tdc1TextDecoder
from protocols.timetags.decoding.text import TextDecoder
from protocols.timetags.decoding.text_layout import text_layout
from protocols.timetags.encoding.qcrypto import encode_a1
from protocols.timetags.encoding.scale import Rescaling
from protocols.timetags.encoding.text import encode_text, text_head
from protocols.timetags.sorting import Sorter, sort_nearly
from protocols.timetags.tags import Tags

cuts = st.lists(st.integers(0, 10_000), max_size=6)
word_times = st.lists(
    st.one_of(st.integers(0, 2**54 - 1), st.integers(0, 50), st.integers(2**54 - 50, 2**54 - 1)),
    max_size=30,
)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compile the kernels before anybody looks at the time that an example takes."""
    decoded(WordDecoder(), bytes(8))
    decoded(HexDecoder(16), b"0" * 16)
    decoded(Tdc1Decoder(), b"\1\0\0\0")
    decoded(TextDecoder(text_layout(b"1,1\n")), b"1,1\n")
    sort_nearly(tags_of([(2, 1), (1, 1)]))


def decoded(decoder, data, places=()):
    """Return all tags as pairs, the data cut at some places."""
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    pieces = [decoder.decode(data[a:b]) for a, b in pairwise(ends)]
    pieces.append(decoder.finish())
    return [pair for tags in pieces for pair in pairs(tags)]


def pairs(tags):
    return list(zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True))


def tags_of(events):
    return Tags(
        np.array([t for t, _ in events], np.int64), np.array([c for _, c in events], np.int32)
    )


# ---- qcrypto -----------------------------------------------------------------------


def plain_words(words):
    """Take words apart one by one: nearest roll-over, each set bit an event."""
    found, last, wraps, period = [], None, 0, 2**54
    for word in words:
        time, turn = word >> 10, wraps
        if last is not None and time < last - period // 2:
            wraps += 1
            turn, last = wraps, time
        elif last is not None and time > last + period // 2 and wraps:
            turn -= 1
        else:
            last = time
        if not word & 16:
            found += [(time + turn * period, line + 1) for line in range(4) if word >> line & 1]
    return found


@settings(deadline=None)  # kernels may compile
@given(times=word_times, flags=st.lists(st.integers(0, 1023), min_size=30, max_size=30), at=cuts)
@example(times=[2**54 - 1, 2, 2**54 - 2, 5], flags=[1] * 30, at=[3, 12])
def test_words_of_every_form(times, flags, at):
    words = [t << 10 | f for t, f in zip(times, flags, strict=False)]
    expected = plain_words(words)
    forms = {
        WordDecoder: b"".join(w.to_bytes(8, "little") for w in words),
        lambda: WordDecoder(high_first=True): b"".join(
            (w >> 32 | (w & 0xFFFFFFFF) << 32).to_bytes(8, "little") for w in words
        ),
        lambda: HexDecoder(16): "".join(f"{w:016x}\n" for w in words).encode(),
        lambda: HexDecoder(8): "".join(
            f"{w & 0xFFFFFFFF:08X}\r\n{w >> 32:08X}\r\n" for w in words
        ).encode(),
    }
    for made, data in forms.items():
        decoder = made()
        assert decoded(decoder, data, at) == expected
        assert decoder.records == len(words)
        assert decoder.leftover == 0


def test_a_cut_last_word_is_left_over():
    decoder = WordDecoder()
    assert decoded(decoder, ((7 << 10 | 1).to_bytes(8, "little") * 2)[:-3]) == [(7, 1)]
    assert decoder.leftover == 5
    text = HexDecoder(16)
    assert decoded(text, b"0000000000001c01\n0000000000001c0") == [(7, 1)]
    assert text.leftover == 15
    last = HexDecoder(16)
    assert decoded(last, b"0000000000001c01") == [(7, 1)]


@pytest.mark.parametrize("text", [b"0000000000001c0g\n", b"00001c01\n", b"0" * 17, b"\0\0"])
def test_what_is_not_hexadecimal_is_refused(text):
    with pytest.raises(FormatError, match="hexadecimal"):
        decoded(HexDecoder(16), text)


@settings(deadline=None, max_examples=30)
@given(events=st.lists(st.tuples(st.integers(0, 2**54 - 1), st.integers(1, 4)), max_size=20))
def test_words_are_written_as_they_are_read(events):
    events.sort()
    assert decoded(WordDecoder(), encode_a1(tags_of(events))) == events


@pytest.mark.parametrize("event", [(1, 0), (1, 5), (-1, 1), (2**54, 1)])
def test_words_hold_no_other_events(event):
    with pytest.raises(ParameterError):
        encode_a1(tags_of([event]))


# ---- quTAG and ID900 ---------------------------------------------------------------


@settings(deadline=None)  # kernels may compile
@given(
    events=st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 65535)), max_size=20),
    at=cuts,
)
def test_records_of_ten_bytes_behind_a_header(events, at):
    data = bytes(range(40)) + b"".join(
        t.to_bytes(8, "little") + c.to_bytes(2, "little") for t, c in events
    )
    decoder = QutagDecoder()
    assert decoded(decoder, data, at) == events
    cut = QutagDecoder()
    assert decoded(cut, data[:-1]) == events[:-1]
    assert cut.leftover == (9 if events else 0)
    assert decoder.tick_s == Fraction(1, 10**12)


@settings(deadline=None)  # kernels may compile
@given(times=st.lists(st.integers(0, 2**63 - 1), max_size=20), at=cuts)
def test_times_of_one_input(times, at):
    data = b"".join(t.to_bytes(8, "little") for t in times)
    assert decoded(Id900Decoder(3), data, at) == [(t, 3) for t in times]


@pytest.mark.parametrize("decoder", [QutagDecoder, Id900Decoder])
def test_times_beyond_63_bits_are_refused(decoder):
    with pytest.raises(FormatError, match="2\\^63"):
        decoded(decoder(), bytes(40) + b"\xff" * 80)


# ---- TDC1 --------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    gaps=st.lists(
        st.one_of(st.integers(5, 200), st.integers(10_000, 130_000_000)), min_size=1, max_size=40
    ),
    lines=st.lists(st.integers(1, 15), min_size=40, max_size=40),
    at=cuts,
)
def test_a_stream_of_the_unit_is_read_as_its_driver_reads_it(gaps, lines, at):
    """Edges go through the simulated unit's own encoder, in one packet."""
    times, numbers = [], []
    for time, pattern in zip(np.cumsum(gaps).tolist(), lines, strict=False):
        for line in range(4):
            if pattern >> line & 1:
                times.append(time * 2000)
                numbers.append(line + 1)
    encoder = WordEncoder(10_000)
    end = times[-1] + 600_000_000_000
    words = encoder.words(np.array(times, np.int64), np.array(numbers, np.uint8), end)
    data = words.astype("<u4").tobytes()
    block = StampDecoder((20e-9,) * 4).decode(data)
    driver = list(zip(block.ticks.tolist(), block.channels.tolist(), strict=True))
    assert decoded(Tdc1Decoder(), data, at) == driver
    assert [t for t, _ in driver] == sorted(t for t, _ in driver)


@settings(deadline=None)  # kernels may compile
@given(words=st.lists(st.integers(0, 2**32 - 1), max_size=60), at=cuts)
def test_any_words_are_read_alike_however_they_are_cut(words, at):
    data = b"".join(word.to_bytes(4, "little") for word in words)
    whole = Tdc1Decoder()
    assert decoded(Tdc1Decoder(), data, at) == decoded(whole, data)
    assert whole.records == len(words)


def test_levels_become_events_once_and_tags_may_be_out_of_order():
    times = [100, 104, 103, 2**27 - 3, 2, 2**27 - 1, 9]
    levels = [1, 3, 4, 1, 2, 4, 1]
    data = b"".join(
        (t << 5 | level).to_bytes(4, "little") for t, level in zip(times, levels, strict=True)
    )
    period = 2**27
    assert decoded(Tdc1Decoder(), data) == [
        (100, 1), (104, 2), (103, 3), (period - 3, 1), (period + 2, 2), (period - 1, 3),
        (period + 9, 1),
    ]  # fmt: skip


@settings(deadline=None)  # kernels may compile
@given(events=st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 15)), max_size=20), at=cuts)
def test_the_text_export_is_read_as_levels(events, at):
    events.sort()
    text = "".join(f"{2 * t}\t{p:04b}\n" for t, p in events).encode()
    expected, event, before = [], -(10**9), 0
    for time, now in events:
        risen = now & ~before if time - event <= 10 and now & (now - 1) else now
        expected += [(time, line + 1) for line in range(4) if risen >> line & 1]
        event, before = time, now
    assert decoded(Tdc1TextDecoder(), text, at) == expected


@pytest.mark.parametrize("line", [b"3 0001\n", b"4 0002\n", b"4 00001\n", b"x 0001\n", b"4\n"])
def test_a_wrong_line_of_the_text_export_is_refused(line):
    with pytest.raises(FormatError):
        decoded(Tdc1TextDecoder(), b"2 0001\n" + line)


# ---- text --------------------------------------------------------------------------


@settings(deadline=None)  # kernels may compile
@given(
    events=st.lists(
        st.tuples(st.integers(-(10**14), 10**14), st.integers(-(2**31) + 1, 2**31 - 1)),
        min_size=1, max_size=20,
    ),
    decimals=st.integers(0, 3),
    separator=st.sampled_from([",", ";", " ", "\t", ", "]),
    at=cuts,
)  # fmt: skip
def test_text_is_read_exactly(events, decimals, separator, at):
    unit = 10**decimals
    lines = ["# a comment", f"time_ns{separator}channel"]
    for tick, channel in events:
        sign, (whole, rest) = "-" if tick < 0 else "", divmod(abs(tick), unit)
        fraction = f".{rest:0{decimals}d}" if decimals else ""
        lines.append(f"{sign}{whole}{fraction}{separator}{channel}")
    data = ("\n".join(lines) + "\n").encode()
    layout = text_layout(data)
    assert layout.known
    assert layout.tick_s == Fraction(1, 10**9) / unit
    decoder = TextDecoder(layout)
    assert decoded(decoder, data, at) == events
    assert decoder.records == len(events)


@settings(deadline=None)  # kernels may compile
@given(
    events=st.lists(st.tuples(st.integers(-(2**59), 2**59), st.integers(-5, 300)), max_size=20),
    tick=st.fractions(min_value=Fraction(1, 10**15), max_value=1).filter(lambda f: f > 0),
)
def test_text_is_written_as_it_is_read(events, tick):
    data = text_head(tick) + encode_text(tags_of(events))
    layout = text_layout(data)
    assert layout.tick_s == tick
    assert decoded(TextDecoder(layout), data) == events


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.decimals("-1e6", "1e6", places=6), st.sampled_from("feEd"), st.integers(1, 9)),
        min_size=1, max_size=20,
    ),
    comma=st.booleans(),
    at=cuts,
)  # fmt: skip
def test_numbers_are_exact_however_they_are_written(rows, comma, at):
    written = {"f": "{:.9f}", "e": "{:.18e}", "E": "{:+.12E}", "d": "{:f}000000000000000000000"}
    lines, expected = ["x;time (us);y;channel"], []
    for time, how, channel in rows:
        number = written[how].format(time)
        lines.append(f"0;{number.replace('.', ',') if comma else number};;{channel}.000e+00")
        expected.append((int(time * 10**6), channel))
    layout = text_layout("\n".join(lines).encode() + b"\n", tick="ps")
    decoder = TextDecoder(layout)
    assert decoded(decoder, "\r\n".join(lines).encode(), at) == expected
    assert (decoder.tick_s, decoder.leftover) == (Fraction(1, 10**12), 0)


@pytest.mark.parametrize(
    ("data", "tick_s", "events"),
    [
        (b"channel;x;time (us)\n1;0;10\n2;0;20.5\n", 10**7, [(100, 1), (205, 2)]),
        (b"1\t4000\n2\t5000\n1\t6000\n", 10**12, [(4000, 1), (5000, 2), (6000, 1)]),
        (b"\xef\xbb\xbf1,5\n2,5", 10**12, [(1, 5), (2, 5)]),
        (b"time_ns,channel\r1.50,2\r2.75,1\r", 10**11, [(150, 2), (275, 1)]),
        (b"# tick_s = 1/3\n# more\n7 , 2\n\n9 , 2\n", 3, [(7, 2), (9, 2)]),
        (b"time_s,ch\n1.5e-9,2\n25e-10,1\n", 10**10, [(15, 2), (25, 1)]),
    ],
)
def test_texts_of_all_kinds(data, tick_s, events):
    layout = text_layout(data)
    assert layout.tick_s == Fraction(1, tick_s)
    for cut in range(len(data)):
        assert decoded(TextDecoder(layout), data, [cut]) == events


@settings(deadline=None)
@given(
    events=st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1)), max_size=20
    )
)
def test_lines_are_written_as_python_writes_numbers(events):
    assert encode_text(tags_of(events)).decode() == "".join(f"{t},{c}\n" for t, c in events)


def test_columns_and_ticks_may_be_said():
    layout = text_layout(b"5 7 1\n6 8 2\n", "ns", "ps", (1, 2))
    assert decoded(TextDecoder(layout), b"5 7 1\n6 8.125 2\n") == [(7000, 1), (8125, 2)]
    with pytest.raises(FormatError, match="power of ten"):
        text_layout(b"# tick_s = 1/3\n1,1\n", tick="ps")


@pytest.mark.parametrize(
    "line",
    [
        b"1,x\n",
        b"1\n",
        b"1.5,2\n",
        b"99999999999999999999,1\n",
        b"1e-1,1\n",
        b"1e,1\n",
        b"1e99,1\n",
        b"1,2147483648\n",
        b"1,,1\n",
        b"1 1\0\n",
        b"-,1\n",
        b".,1\n",
    ],
)
def test_a_wrong_line_of_text_is_refused(line):
    data = b"10,1\n20,2\n"
    with pytest.raises(FormatError):
        decoded(TextDecoder(text_layout(data)), data + line)


@settings(deadline=None)  # kernels may compile
@given(data=st.binary(max_size=300), at=cuts)
def test_garbage_is_refused_or_read_and_nothing_else(data, at):
    for made in (WordDecoder, lambda: HexDecoder(8), QutagDecoder, Tdc1Decoder, Tdc1TextDecoder,
                 lambda: TextDecoder(text_layout(b"1,1\n"))):  # fmt: skip
        with contextlib.suppress(FormatError):
            decoded(made(), data, at)


# ---- order and scale ---------------------------------------------------------------


@settings(deadline=None)  # kernels may compile
@given(
    steps=st.lists(st.integers(0, 30), max_size=80),
    late=st.lists(st.integers(0, 40), min_size=80, max_size=80),
    at=cuts,
)
def test_what_is_out_of_order_by_less_than_the_horizon_is_put_in_order(steps, late, at):
    times = [t - d for t, d in zip(np.cumsum(steps).tolist(), late, strict=False)]
    tags = tags_of([(t, i) for i, t in enumerate(times)])
    sorter = Sorter(40)
    ends = sorted({min(place, len(times)) for place in at} | {0, len(times)})
    pieces = [sorter.push(Tags(tags.ticks[a:b], tags.channels[a:b])) for a, b in pairwise(ends)]
    pieces.append(sorter.finish())
    found = [pair for piece in pieces for pair in pairs(piece)]
    assert found == sorted(pairs(tags), key=lambda pair: pair[0])
    assert sorter.beyond == 0
    assert sorter.out_of_order == sum(t < max(times[: i + 1]) for i, t in enumerate(times))
    assert pairs(sort_nearly(tags)[0]) == found


@given(
    times=st.lists(st.integers(0, 60), max_size=40),
    at=cuts,
)
def test_what_comes_too_late_is_left_out_however_the_stream_is_cut(times, at):
    sorter, tags = Sorter(10), tags_of([(t, i) for i, t in enumerate(times)])
    ends = sorted({min(place, len(times)) for place in at} | {0, len(times)})
    pieces = [sorter.push(Tags(tags.ticks[a:b], tags.channels[a:b])) for a, b in pairwise(ends)]
    found = [pair for piece in [*pieces, sorter.finish()] for pair in pairs(piece)]
    kept = [(t, i) for i, t in enumerate(times) if t >= max(times[: i + 1]) - 10]
    assert found == sorted(kept, key=lambda pair: pair[0])
    assert sorter.beyond == len(times) - len(kept)
    assert sorter.out_of_order == sum(t < max(times[: i + 1]) for i, t in enumerate(times))


def test_far_displaced_tags_are_sorted_too():
    times = [*range(1000, 2000), *range(1000)]
    tags = tags_of([(t, 1) for t in times])
    ordered, late = sort_nearly(tags)
    assert ordered.ticks.tolist() == sorted(times)
    assert late == 1000


@settings(deadline=None)  # kernels may compile
@given(
    ticks=st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=10),
    a=st.sampled_from([1, 1000, 256, 81]),
    b=st.sampled_from([1, 1000, 256, 81]),
)
def test_ticks_are_rescaled_exactly_or_with_the_error_known(ticks, a, b):
    of, to = Fraction(1, a * 10**9), Fraction(1, b * 10**9)
    exact = [t * of / to for t in ticks]
    scale = Rescaling(of, to, rounded=True)
    found = scale.ticks(np.array(ticks)).tolist()
    assert found == [int((2 * x + 1) // 2) for x in exact]
    worst = max(abs(x - n) for x, n in zip(exact, found, strict=True)) * to
    assert scale.largest_error_s == worst
    if worst:
        with pytest.raises(ParameterError, match="between two ticks"):
            Rescaling(of, to).ticks(np.array(ticks))
