"""One of two paired stations in a process of its own, for tests with faults on the line.

Each line of its input is a session: it meets the other station and distils a small block
that both draw from the seed. Each line of its output says how that ended. Every pad it
takes is written down.
"""

import json
import sys
from pathlib import Path

import numpy as np

from protocols.bits import pack
from protocols.distillation.block import SiftedBlock
from protocols.distillation.bound import AssumedSinglePhotons, Terms
from protocols.distillation.correcting import CorrectingParty
from protocols.distillation.reference import ReferenceParty
from protocols.secret import SecretBits
from qlab.context import AbortFlag, KeyFacts, SystemEntropy, Tap
from qlab.errors import exit_code, one_line
from qlab.experiments.bb84.parties import RunSecret
from qlab.keystore import KeyStore, Pair
from qlab.link import Patience
from qlab.link.conversation import converse
from qlab.link.peer import AgreedKeys, OtherParty, PairEntropy, meeting

BITS, ERRORS = 1200, 3
TERMS = Terms(AssumedSinglePhotons(1e-2, 1e-3), reconciliation="cascade")


def block(side, seed):
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2, BITS).astype(np.uint8)
    wrong = random.choice(BITS, ERRORS, replace=False)
    if side == "bob":
        bits[wrong] ^= 1
    return SiftedBlock(SecretBits(pack(bits), BITS), (BITS,))


def session(side, folder, order):
    """Return what came out of one session."""
    tap, store = Tap(AbortFlag()), KeyStore(folder)
    patience = Patience(meeting_s=20.0, silence_s=20.0, lost_s=order["lost_s"])
    other = OtherParty(side, str(order["port"]), side == "alice", "lab", patience)
    facts = KeyFacts(1e-2, 1e-3, "none")
    with meeting(other, store, tap, simulated=False, terms={"seed": "any"}) as peer:
        entropy = PairEntropy(peer.pair, tap, SystemEntropy(tap))
        tags = RunSecret(entropy).authenticator(side)
        kind = ReferenceParty if side == "alice" else CorrectingParty
        party = kind(TERMS, block(side, order["seed"]), tags)
        keys = AgreedKeys(store, peer, run_id="run", run_file="")
        if converse(party, peer, entropy, lambda key: keys.deposit(key, facts), lambda: None):
            keys.agreed()
        peer.close(None)
        return {"session": peer.met.session, "reason": party.result.reason}


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main():
    side, folder = sys.argv[1], Path(sys.argv[2])
    take = Pair.take

    def noted(pair, direction, count):
        start = pair.facts.used[direction]
        with (folder.parent / f"{side}.pads").open("a") as log:
            log.write(f"{direction} {start} {count}\n")
        return take(pair, direction, count)

    Pair.take = noted
    say("ready")
    for line in sys.stdin:
        try:
            found = {"code": 0, **session(side, folder, json.loads(line))}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            found = {"code": int(exit_code(error)), "error": one_line(error)}
        say(json.dumps(found))


if __name__ == "__main__":
    main()
