"""Frames of a block: nothing lost, bursts spread, the same for ever."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldpc_bench import secret, unpacked

from protocols.errors import ParameterError
from protocols.reconciliation.ldpc.framing import Framing


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 30000),
    frame=st.sampled_from([64, 128, 4096, 16384]),
    seed=st.integers(0, 2**32 - 1),
)
def test_join_undoes_cut(size: int, frame: int, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2, size, dtype=np.uint8)
    framing = Framing(size, frame, seed.to_bytes(4, "big"))
    frames = framing.cut(secret(bits))
    assert frames.shape == (framing.frames, frame // 64)
    assert framing.frames == -(-size // frame)
    assert framing.payload <= frame
    assert int(unpacked(frames).sum()) == int(bits.sum())
    filler = np.setdiff1d(np.arange(frame // 64), framing.places())
    assert not frames[:, filler].any()
    assert framing.join(frames) == secret(bits)


def test_each_bit_goes_to_a_place_of_its_own() -> None:
    framing = Framing(9000, 4096, b"seed")
    places = set()
    for i in range(9000):
        bits = np.zeros(9000, np.uint8)
        bits[i] = 1
        (place,) = np.flatnonzero(unpacked(framing.cut(secret(bits))).ravel())
        places.add(int(place))
    assert len(places) == 9000


@pytest.mark.parametrize("period", [1, 2, 8, 64, 100, 256, 4096])
def test_errors_of_any_period_or_in_one_burst_spread(period: int) -> None:
    """64 times as many frames as errors share evenly, but never more than chance would."""
    size, count = 64 * 4096 * 2, 6400
    bits = np.zeros(size, np.uint8)
    bits[(100 + period * np.arange(count)) % size] = 1
    errors = int(bits.sum())
    frames = Framing(size, 4096, b"seed").cut(secret(bits))
    found = unpacked(frames).sum(axis=1, dtype=np.int64)
    mean = errors / 128
    # Five deviations of a Poisson count in each of 128 frames: false alarm below 1e-4.
    assert np.abs(found - mean).max() < 5 * np.sqrt(mean) + 1


def test_the_frames_of_a_seed_are_specified() -> None:
    bits = np.unpackbits(np.frombuffer(hashlib.shake_256(b"key").digest(1250), np.uint8))[:9999]
    frames = Framing(9999, 4096, b"seed").cut(secret(bits))
    assert hashlib.sha256(frames.astype("<u8").tobytes()).hexdigest() == GOLDEN


GOLDEN = "7699a296cd0340fdc67f9e28caad3b9605f238f85e40846fbba923ea063e4b92"


def test_what_does_not_fit_is_refused() -> None:
    for size, frame in ((0, 64), (1, 0), (1, 100)):
        with pytest.raises(ParameterError):
            Framing(size, frame, b"")
    with pytest.raises(ParameterError):
        Framing(10, 64, b"").cut(secret(np.zeros(11, np.uint8)))
