"""Single photons, pairs, variable length and detectors that differ."""

import math
from dataclasses import replace

import pytest
from finite_key_blocks import decoy_counts, exact_sampling, exact_variable
from hypothesis import assume, given
from hypothesis import strategies as st

from protocols.bb84.finite_key import (
    FIXED_LENGTH,
    VARIABLE_LENGTH,
    Detectors,
    KeyCounts,
    analyse,
    binary_entropy,
    examine,
)
from protocols.bb84.finite_key.decoys import SinglePhotons
from protocols.bb84.finite_key.phase_error import Budget, by_imperfect_detectors, mismatch
from protocols.errors import InsecureError, ParameterError

TWO = decoy_counts("two-decoy", 1e11, (0.5, 0.1, 2e-4), (0.6, 0.25, 0.15), 0.013)


def photons(n: int, k: int, qber: float, protocol: str = "single-photon") -> KeyCounts:
    return KeyCounts(
        protocol, (), (), (n,), (k,), (round(n * qber),), (round(k * qber),), 0, 1e-10, 1e-15
    )


@given(
    st.sampled_from(["single-photon", "bbm92"]),
    st.floats(3.7, 10), st.floats(3.7, 10), st.floats(0, 0.06), st.floats(1e-15, 1e-3),
)  # fmt: skip
def test_single_photons_against_exact_arithmetic(
    protocol: str, log_n: float, log_k: float, qber: float, eps: float
) -> None:
    block = replace(photons(int(10**log_n), int(10**log_k), qber, protocol), eps_sec=eps)
    found, exact = examine(block), exact_sampling(block)
    assert (found.reason is None) == (found.length > 0)
    for name in ("mu", "phi_z", "secrecy_bits"):
        assert found.bounds[name] == pytest.approx(float(exact[name]), rel=1e-12), name
    if exact["phi_z"] < 0.5:
        assert found.bounds["secret"] == pytest.approx(float(exact["secret"]), rel=1e-9, abs=1e-6)
        left = exact["secret"] - exact["secrecy_bits"]
        assert abs(float(left) - math.log2(2e15) - 0.5 - found.length) <= 0.5001 or not found.length


def test_the_formula_of_tomamichel_by_hand() -> None:
    """n = k = 1e6 and 1 % errors: mu = sqrt(2e6·1000001/1e18 ln(4e10)) = 0.0069895..."""
    found = analyse(photons(10**6, 10**6, 0.01))
    mu = math.sqrt(2e6 * 1_000_001 / 1e18 * math.log(4e10))
    assert found.bounds["mu"] == pytest.approx(mu, rel=1e-12)
    length = 1e6 * (1 - binary_entropy(0.01 + mu)) - math.log2(2 / (1e-10**2 * 1e-15))
    assert found.length == math.floor(length)
    assert found.length_rule == FIXED_LENGTH and "Nat. Commun. 3, 634" in found.proof


def test_pairs_have_their_own_assumptions() -> None:
    pairs, single = (
        analyse(photons(10**6, 10**5, 0.02, "bbm92")),
        analyse(photons(10**6, 10**5, 0.02)),
    )
    assert pairs.length == single.length
    assert "Quantum 1, 14" in pairs.proof
    assert any("pairs need not be trusted" in text for text in pairs.assumptions)
    assert any("exactly one photon" in text for text in single.assumptions)


@given(st.floats(8, 12.5), st.floats(0, 0.03), st.floats(1e-14, 1e-4), st.booleans())
def test_variable_length_against_exact_arithmetic(
    exponent: float, qber: float, eps: float, decoys: bool
) -> None:
    if decoys:
        block = decoy_counts("two-decoy", 10**exponent, (0.5, 0.1, 2e-4), (0.6, 0.25, 0.15), qber)
    else:
        block = photons(int(10 ** (exponent - 3)), int(10 ** (exponent - 4)), qber)
    block = replace(block, eps_sec=eps)
    found, exact = examine(block, variable_length=True), exact_variable(block)
    assert found.length_rule == VARIABLE_LENGTH and "2408.17349" in found.proof
    for name, value in exact.items():
        if name in found.bounds:
            assert found.bounds[name] == pytest.approx(float(value), rel=1e-8, abs=1e-6), name
    assert found.bounds["s_z0_lower"] == 0


def test_variable_length_costs_little() -> None:
    fixed, variable = analyse(TWO), analyse(TWO, variable_length=True)
    assert 0.95 * fixed.length < variable.length < fixed.length


@given(
    st.floats(0.9, 1.0), st.floats(0, 1e-4), st.floats(1.0, 1.1), st.integers(0, 60),
    st.floats(0.05, 1.0),
)  # fmt: skip
def test_no_detectors_in_range_differ_more_than_delta_2(
    ratio: float, dark: float, spread: float, sent: int, high: float
) -> None:
    """Click probabilities of n photons in any two modes are within a factor 1 − delta_2."""
    detectors = Detectors((high * ratio, high), (dark, dark * spread))
    delta_2 = mismatch(detectors)[1]

    def clicks(efficiency: float, noise: float) -> float:
        return 1 - (1 - noise) ** 2 * (1 - efficiency) ** sent

    most = clicks(high, dark * spread)
    assume(most > 1e-12)
    assert clicks(high * ratio, dark) / most >= 1 - delta_2 - 1e-9


def test_deltas_by_hand() -> None:
    assert mismatch(None) == mismatch(Detectors((0.2, 0.2), (1e-6, 1e-6))) == (0.0, 0.0)
    delta_1, delta_2 = mismatch(Detectors((0.81, 1.0)))
    assert delta_1 == pytest.approx(0.4) and delta_2 == pytest.approx(0.19)
    delta_1, delta_2 = mismatch(Detectors((0.2, 0.2), (1e-6, 2e-6)))
    # A = d (2 − d), B = D (2 − D); (1 − A/B) D/d
    ratio = 1e-6 * (2 - 1e-6) / (2e-6 * (2 - 2e-6))
    assert delta_2 == pytest.approx(1 - ratio) and delta_1 == pytest.approx(2 * (1 - ratio))
    assert mismatch(Detectors((0.2, 0.2), (0.0, 1e-6))) == (math.inf, 1.0)


@pytest.mark.parametrize("variable_length", [False, True])
@pytest.mark.parametrize("block", [TWO, photons(10**8, 10**7, 0.01)])
def test_detectors_that_differ_against_exact_arithmetic(
    block: KeyCounts, variable_length: bool
) -> None:
    detectors = Detectors((0.198, 0.2), (1e-6, 1.005e-6))
    found = analyse(replace(block, detectors=detectors), variable_length)
    exact = exact_variable(block, *mismatch(detectors))
    for name, value in exact.items():
        assert found.bounds[name] == pytest.approx(float(value), rel=1e-8), name
    assert found.length < analyse(block, variable_length).length
    assert any("stated efficiencies" in text for text in found.assumptions)
    assert "2408.17349" in found.proof
    agreed = any("agreed before the run" in text for text in found.assumptions)
    assert agreed is not variable_length


@given(st.floats(0.95, 0.999), st.floats(0.9, 0.999))
def test_more_alike_detectors_never_shorten_the_key(ratio: float, factor: float) -> None:
    near = examine(replace(TWO, detectors=Detectors((0.2 * ratio, 0.2)))).length
    far = examine(replace(TWO, detectors=Detectors((0.2 * ratio * factor, 0.2)))).length
    assert far <= near <= analyse(TWO).length


def test_detectors_too_different_give_no_key() -> None:
    with pytest.raises(InsecureError, match="phase error rate"):
        analyse(replace(TWO, detectors=Detectors((0.1, 0.2))))
    with pytest.raises(InsecureError, match="phase error rate"):
        analyse(replace(TWO, detectors=Detectors((1e-9, 0.2), (0.0, 1e-6))))


@pytest.mark.parametrize("protocol", ["one-decoy", "bbm92"])
def test_what_no_proof_covers_is_refused(protocol: str) -> None:
    block = (
        decoy_counts("one-decoy", 1e10, (0.5, 0.15), (0.5, 0.5), 0.01)
        if protocol == "one-decoy"
        else photons(10**6, 10**5, 0.01, "bbm92")
    )
    with pytest.raises(ParameterError, match="variable length"):
        analyse(block, variable_length=True)
    with pytest.raises(ParameterError, match="detectors that differ"):
        analyse(replace(block, detectors=Detectors((0.19, 0.2))))
    # Detectors known to be alike need no such proof.
    assert analyse(replace(block, detectors=Detectors((0.2, 0.2)))).length == analyse(block).length


def test_less_than_one_error_is_taken_as_one() -> None:
    """Also with a bound below one or negative, as decoys can give."""
    budget = Budget(1e-9, 9, 3)
    rates = [
        by_imperfect_detectors(SinglePhotons(0.0, 1e5, 1e4, errors), budget, None)["x_error_rate"]
        for errors in (-3.0, 0.0, 0.7, 1.0, 2.0)
    ]
    assert rates == [1e-4, 1e-4, 1e-4, 1e-4, 2e-4]
