import itertools
import os
import platform
import subprocess
import sys

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


OUTPUTS = """
import hashlib
from protocols.clmul import INSTRUCTION
from protocols.privacy_amplification.choice import AMPLIFIERS
from protocols.privacy_amplification.residues import EXACT
from protocols.secret import SecretBits
key = SecretBits(bytes(i * i % 251 for i in range(10_000)), 80_000)
for name, family in sorted(AMPLIFIERS.items()):
    size = family.seed_bits(80_000, 40_001) // 8
    seed = bytes(i * i % 241 for i in range(size))
    print(name, hashlib.sha256(family.hash(key, seed, 40_001).reveal()).hexdigest())
print(INSTRUCTION, EXACT)
"""


def outputs(**variables: str) -> list[str]:
    command = [sys.executable, "-c", OUTPUTS]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_outputs_are_the_same_without_the_instructions() -> None:
    """Compiled for a processor of no features, and for this one."""
    *plain, without = outputs(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    *here, _ = outputs()
    assert plain == here
    assert len(here) == 2
    if platform.machine() in ("x86_64", "AMD64"):
        assert without == "None False"
