"""Secrets at rest: final keys, and what a pair of stations shares to authenticate.

All of it lies in one folder that only its owner can read, `default_folder`.
"""

from qlab.keystore.pair import Pair, SharedFacts
from qlab.keystore.pairs import PairStore
from qlab.keystore.store import KeyRecord, KeyState, KeyStore, default_folder

__all__ = [
    "KeyRecord",
    "KeyState",
    "KeyStore",
    "Pair",
    "PairStore",
    "SharedFacts",
    "default_folder",
]
