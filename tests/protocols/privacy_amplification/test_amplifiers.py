import itertools

import pytest

from protocols.errors import ParameterError
from protocols.privacy_amplification.choice import AMPLIFIERS, amplifier
from protocols.secret import SecretBits


@pytest.mark.parametrize("name", AMPLIFIERS)
@pytest.mark.parametrize(("n", "r"), [(2, 1), (4, 2), (3, 3)])
def test_no_pair_of_keys_collides_too_often(name: str, n: int, r: int) -> None:
    """Over all seeds, every two keys collide for at most one in 2**r."""
    family = amplifier(name)
    count = family.seed_bits(n, r)
    keys = [SecretBits(bytes([x << (8 - n)]), n) for x in range(1 << n)]
    collisions = dict.fromkeys(itertools.combinations(range(1 << n), 2), 0)
    size = -(-count // 8)
    for seed in range(1 << count):
        packed = (seed << (8 * size - count)).to_bytes(size, "big")
        values = [family.hash(key, packed, r).reveal() for key in keys]
        for first, second in collisions:
            collisions[first, second] += values[first] == values[second]
    assert max(collisions.values()) <= (1 << count) >> r


def test_names() -> None:
    assert set(AMPLIFIERS) == {"toeplitz", "modular"}
    with pytest.raises(ParameterError, match="modular, toeplitz"):
        amplifier("sha256")
