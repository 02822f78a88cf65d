"""One party in a process of its own: ``python -m qlab.experiments.bb84.child``.

It reads where to connect from its standard input, and ends when that does: with the
process that started it, however that ends.
"""

from __future__ import annotations

import os
import sys
import threading

from protocols.authentication.wegman_carter import Authenticator
from protocols.bb84.alice import Alice
from protocols.bb84.bob import Bob
from protocols.distillation.party import ALICE_TO_BOB, BOB_TO_ALICE
from protocols.errors import ProtocolError
from qlab.experiments.bb84 import errands as e
from qlab.experiments.bb84.plan import agreed_plan
from qlab.link import Line, LinkEndedError, Patience, connect
from qlab.link.sockets import Private

__all__ = ["main"]

#: The run may acquire for days between two errands.
_PATIENCE = Patience(meeting_s=60.0, silence_s=1e9, lost_s=10.0)


class _Asked:
    """Random bytes and pads, asked for over the line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def take(self, stream: str, count: int) -> bytes:
        self._line.send(e.encode(e.Wanted(stream, count)))
        given = e.decode(self._line.receive())
        assert isinstance(given, e.Given)
        return given.data

    def pads(self, direction: str, count: int) -> bytes:
        return self.take(f"pads/{direction}", count)


class _Known:
    """Random bytes that came along."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, stream: str, count: int) -> bytes:
        assert count == len(self._data)
        return self._data


def main() -> None:
    """Be one party until the other end has had enough."""
    port = sys.stdin.readline().strip()
    key = Private(bytes.fromhex(sys.stdin.readline().strip()))
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    with connect(port, patience=_PATIENCE, private=key) as line:
        line.open()
        try:
            _serve(line)
        except LinkEndedError:
            return  # the run is over


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


def _serve(line: Line) -> None:
    begin = e.decode(line.receive())
    assert isinstance(begin, e.Begin)
    asked = _Asked(line)
    kind, way = (Alice, ALICE_TO_BOB) if begin.side == "alice" else (Bob, BOB_TO_ALICE)
    setup, _ = agreed_plan(begin.options)
    party = kind(setup, Authenticator(way, begin.hash_keys, asked.pads))
    while True:
        errand = e.decode(line.receive())
        try:
            answer = _do(errand, party, asked)
        except ProtocolError as error:
            line.send(e.encode(e.Failed(type(error).__name__, str(error))))
            continue
        if answer is not None:
            line.send(e.encode(answer))
            party.settle()


def _do(errand: e.Errand, party: Alice | Bob, asked: _Asked) -> e.Errand | None:
    """Run one errand; patterns are added without an answer."""
    if isinstance(errand, e.Sent):
        assert isinstance(party, Alice)
        party.add_block(errand.settings())
        return None
    if isinstance(errand, e.Detected):
        assert isinstance(party, Bob)
        party.add_block(errand.detections(), errand.bases(), _Known(errand.double_clicks))
        return None
    if isinstance(errand, e.Start):
        return e.Done(party.start(asked), party.finished, party.key_state)
    if isinstance(errand, e.Receive):
        return e.Done(party.receive(errand.packet, asked), party.finished, party.key_state)
    assert isinstance(errand, e.Report)
    found = party.result
    if found.reason is not None:
        return e.Outcome(found, dict(found.bounds), b"", 0)
    return e.Outcome(found, dict(found.bounds), party.key.reveal(), len(party.key))


if __name__ == "__main__":
    main()
