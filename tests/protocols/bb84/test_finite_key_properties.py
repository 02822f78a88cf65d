"""What holds of every bound: which way each count, charge and epsilon moves the length."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from finite_key_blocks import ETA, decoy_counts
from hypothesis import given, reject
from hypothesis import strategies as st

from protocols.bb84.finite_key import (
    PROTOCOLS,
    Counts,
    Detectors,
    KeyCounts,
    Security,
    Source,
    binary_entropy,
    examine,
)
from protocols.errors import ParameterError

DECOYS = {
    "one-decoy": ((0.5, 0.15), (0.5, 0.5)),
    "two-decoy": ((0.5, 0.1, 0.01), (0.6, 0.25, 0.15)),
}


def make(protocol: str, exponent: float, qber: float) -> KeyCounts:
    """Return a block of about 10**exponent detections."""
    if protocol in DECOYS:
        return decoy_counts(protocol, 10**exponent / ETA, *DECOYS[protocol], qber)
    n, k = int(10**exponent), int(10**exponent / 10)
    return KeyCounts(protocol, (), (), (n,), (k,), (round(n * qber),), (round(k * qber),), 0)


cases = st.builds(
    make, st.sampled_from(PROTOCOLS), st.floats(5.5, 9), st.floats(0.0, 0.03)
)  # fmt: skip


def variable(block: KeyCounts) -> list[bool]:
    return [False, True] if block.protocol in ("two-decoy", "single-photon") else [False]


@given(cases, st.integers(0, 10**6), st.data())
def test_more_errors_never_lengthen_the_key(block: KeyCounts, extra: int, data: Any) -> None:
    """The errors of the strongest light that a bound uses.

    In the published bounds those of the weakest lower what the single photons can have
    erred; and the key basis errors of the stronger of two intensities are not used.
    """
    used = {"one-decoy": [("m_x", 0), ("m_z", 1)], "two-decoy": [("m_x", 1)]}
    name, which = data.draw(st.sampled_from(used.get(block.protocol, [("m_x", 0)])))
    errors = list(getattr(block, name))
    n = getattr(block, name.replace("m", "n"))
    errors[which] = min(errors[which] + extra, n[which])
    worse = replace(block, **{name: tuple(errors)})
    for rule in variable(block):
        assert examine(worse, rule).length <= examine(block, rule).length


@given(cases, st.integers(1, 10**7), st.sampled_from(["leak_ec", "announced_bits", "tag_bits"]))
def test_what_is_disclosed_never_lengthens_the_key(block: KeyCounts, extra: int, name: str) -> None:
    for rule in variable(block):
        assert examine(replace(block, **{name: extra}), rule).length <= examine(block, rule).length


@given(cases, st.floats(-14, -2), st.floats(1, 1e6), st.sampled_from(["eps_sec", "eps_cor"]))
def test_more_security_never_lengthens_the_key(
    block: KeyCounts, log_eps: float, factor: float, name: str
) -> None:
    loose, strict = 10**log_eps, 10**log_eps / factor
    for rule in variable(block):
        lengths = [examine(replace(block, **{name: eps}), rule).length for eps in (loose, strict)]
        assert lengths[1] <= lengths[0]


@given(cases)
def test_the_key_is_never_longer_than_what_was_detected(block: KeyCounts) -> None:
    for rule in variable(block):
        found = examine(block, rule)
        assert 0 <= found.length < sum(block.n_z)
        assert (found.reason is None) == (found.length > 0)
        assert all(math.isfinite(value) for value in found.bounds.values())


@given(st.sampled_from(PROTOCOLS), st.floats(0.0, 0.02), st.floats(1.2, 5))
def test_longer_blocks_give_more_per_bit(protocol: str, qber: float, factor: float) -> None:
    small = make(protocol, 6.5, qber)
    large = make(protocol, 6.5 + math.log10(factor), qber)
    for rule in variable(small):
        per_bit = [examine(block, rule).length / sum(block.n_z) for block in (small, large)]
        assert per_bit[1] >= per_bit[0]


@pytest.mark.parametrize("qber", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("protocol", ["single-photon", "bbm92"])
def test_long_blocks_of_single_photons_reach_the_infinite_key(protocol: str, qber: float) -> None:
    block = make(protocol, 15, qber)
    for rule in variable(block):
        per_bit = examine(block, rule).length / sum(block.n_z)
        assert per_bit == pytest.approx(1 - binary_entropy(qber), abs=2e-5)


@pytest.mark.parametrize("qber", [0.0, 0.01, 0.03])
def test_long_blocks_of_two_decoys_reach_the_infinite_key(qber: float) -> None:
    """Per pulse of both in z: tau_0 Y0 + tau_1 Y1 (1 − h(e1)), of the same estimates."""
    mus, ps = (0.5, 0.05, 0.0), (0.6, 0.3, 0.1)
    pulses = 1e17
    block = decoy_counts("two-decoy", pulses, mus, ps, qber)
    y_0 = 2e-6
    y_1 = 1 - (1 - y_0) * (1 - ETA)
    gains = [1 - (1 - y_0) * math.exp(-mu * ETA) for mu in mus]
    found = examine(block)
    tau_1 = sum(p * math.exp(-mu) * mu for mu, p in zip(mus, ps, strict=True))
    tau_0 = sum(p * math.exp(-mu) for mu, p in zip(mus, ps, strict=True))
    sent = pulses * 0.49
    assert found.bounds["s_z0_lower"] / sent == pytest.approx(tau_0 * y_0, rel=2e-2)
    # Ma et al. 2005, Eq. 34, of the same gains; and no more than the truth
    weak = gains[1] * math.exp(0.05) - y_0
    strong = gains[0] * math.exp(0.5) - y_0
    estimate = 0.5 / (0.5 * 0.05 - 0.05**2) * (weak - (0.05 / 0.5) ** 2 * strong)
    assert found.bounds["s_z1_lower"] / sent / tau_1 == pytest.approx(estimate, rel=1e-4)
    assert estimate <= y_1
    assert found.phi_z == pytest.approx((qber * (1 - math.exp(-0.05 * ETA)) * math.exp(0.05)
        + 1e-6 * math.exp(0.05) - 1e-6) / 0.05 / estimate, abs=1e-4)  # fmt: skip


@pytest.mark.parametrize(("n", "m"), [((10, 10), (11, 0)), ((10, 10), (-1, 0)), ((-1, 10), (0, 0))])
def test_contradictory_counts_are_refused(n: tuple[int, int], m: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match="m_z"):
        Counts(n, (10, 10), m, (0, 0))
    with pytest.raises(ParameterError, match="m_x"):
        Counts((10, 10), n, (0, 0), m)
    with pytest.raises(ParameterError, match="counts"):
        Counts((1, 2, 3), (1, 2), (0, 0), (0, 0))


half = (Fraction(1, 2), Fraction(1, 2))


@pytest.mark.parametrize(
    ("intensities", "probabilities"),
    [
        ((0.1, 0.5), half),
        ((0.5, 0.5), half),
        ((0.5, 0.0), half),
        ((math.inf, 0.1), half),
        ((math.nan, 0.1), half),
        ((0.5, (0.2, 0.1)), half),
        ((0.5, (-0.1, 0.1)), half),
        (((0.3, 0.5), (0.1, 0.4)), half),
        ((0.5,), (1.0,)),
        ((0.5, 0.1), (0.5, 0.4)),
        ((0.5, 0.1), (1.0, 0.0)),
        ((0.5, 0.1), (1.5, -0.5)),
        ((0.5, 0.1), (0.5, math.nan)),
        ((0.5, 0.1), (1.0,)),
        ((0.5, 0.3, 0.2), (0.5, 0.25, 0.25)),
        (((0.5, 0.6), 0.3, (0.1, 0.21)), (0.5, 0.25, 0.25)),
        ((0.5, 0.1, -0.1), (0.5, 0.25, 0.25)),
        ((0.5, 0.3, 0.1, 0.05), (0.25,) * 4),
    ],
)
def test_impossible_sources_are_refused(intensities: Any, probabilities: Any) -> None:
    with pytest.raises(ParameterError, match=r"intensities|probabilities"):
        Source(intensities, probabilities)


def test_other_impossible_arguments_are_refused() -> None:
    for eps in (0.0, 1.0, -1.0, math.nan, math.inf, 1e-200):
        with pytest.raises(ParameterError, match="eps_sec"):
            Security(eps, 1e-15)
        with pytest.raises(ParameterError, match="eps_cor"):
            Security(1e-9, eps)
    for efficiency in ((0.0, 0.1), (0.2, 0.1), (0.5, 1.1), (math.nan, 0.5)):
        with pytest.raises(ParameterError, match="efficiency"):
            Detectors(efficiency)
    for dark in ((-0.1, 0.1), (0.2, 0.1), (0.5, 1.0), (math.nan, 0.5)):
        with pytest.raises(ParameterError, match="dark"):
            Detectors((0.1, 0.1), dark)
    block = make("one-decoy", 6, 0.01)
    for changes, key in (
        ({"protocol": "e91"}, "protocol"),
        ({"protocol": "two-decoy"}, "intensities"),
        ({"n_z": (1,)}, "n_z"),
        ({"leak_ec": -1}, "leak_ec"),
        ({"leak_ec": 10**400}, "leak_ec"),
        ({"tag_bits": -1}, "tag_bits"),
        ({"announced_bits": -1}, "announced_bits"),
    ):
        with pytest.raises(ParameterError, match=key):
            replace(block, **changes)


@st.composite
def any_blocks(draw: st.DrawFn) -> KeyCounts:
    """Draw any block that makes sense, however unlikely."""
    protocol = draw(st.sampled_from(PROTOCOLS))
    kinds = {"one-decoy": 2, "two-decoy": 3}.get(protocol, 0)
    steps = [draw(st.floats(1e-12, 3)) for _ in range(kinds)]
    steps = [10 ** (-9 * (1 - step / 3)) for step in steps] if draw(st.booleans()) else steps
    weakest = draw(st.sampled_from([0.0, steps[-1]])) if kinds == 3 else (steps or [0])[-1]
    mus: list[Any] = [weakest] if kinds else []
    for step in steps[: kinds - 1]:
        mus.insert(0, sum(mus) + step)
    cuts = sorted(draw(st.floats(1e-6, 1 - 1e-6)) for _ in range(kinds - 1)) if kinds else []
    ends = [0.0, *cuts, 1.0] if kinds else []
    probabilities = tuple(high - low for low, high in itertools.pairwise(ends))
    n_z, n_x, m_z, m_x = [], [], [], []
    for _ in range(kinds or 1):
        for n, m in ((n_z, m_z), (n_x, m_x)):
            n.append(draw(st.integers(0, 10 ** draw(st.integers(0, 15)))))
            m.append(draw(st.integers(0, n[-1])))
    try:
        return KeyCounts(
            protocol, tuple(mus), probabilities, *map(tuple, (n_z, n_x, m_z, m_x)),  # type: ignore[arg-type]  # four tallies
            leak_ec=draw(st.integers(0, 1000)),
            eps_sec=10 ** draw(st.floats(-99, -0.01)),
            eps_cor=10 ** draw(st.floats(-99, -0.01)),
        )  # fmt: skip
    except ParameterError:
        reject()


@given(any_blocks(), st.booleans())
def test_any_block_is_decided(block: KeyCounts, rule: bool) -> None:
    found = examine(block, rule and block.protocol in ("two-decoy", "single-photon"))
    assert (found.reason is None) == (found.length > 0)
    assert found.length <= sum(block.n_z)
