"""Two ends of a line in two threads, with or without somebody in between."""

import threading

import pytest
from zmtp_proxy import Proxy, is_data

from qlab.errors import QlabError
from qlab.link import (
    Patience,
    connect,
    listen,
)

QUICK = Patience(meeting_s=10.0, silence_s=10.0, lost_s=5.0)
ROUNDS = 4


def converse(line, first, rounds=ROUNDS):
    """Say and hear `rounds` numbers in turn; return what was heard."""
    heard = []
    for number in range(rounds):
        if first:
            line.send(b"%d" % number)
        heard.append(line.receive())
        if not first:
            line.send(b"%d" % number)
    return heard


class Both:
    """Two ends in two threads, and how each ended."""

    def __init__(self, listening, connecting, talk=converse):
        self.lines = listening, connecting
        self.heard = [None, None]
        self.errors = [None, None]
        threads = [
            threading.Thread(target=self._run, args=(at, line, talk))
            for at, line in enumerate(self.lines)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    def _run(self, at, line, talk):
        try:
            with line:
                line.open()
                self.heard[at] = talk(line, at == 0)
        except QlabError as error:
            self.errors[at] = error


def through(act, talk=converse, patience=QUICK):
    """Let two ends talk through a proxy."""
    listening = listen("0", patience=patience)
    with Proxy(listening.port, act) as proxy:
        both = Both(listening, connect(str(proxy.port), patience=patience), talk)
        both.count, both.connections = proxy.count, proxy.connections
    return both


def honest(sender, number, message):
    return [message]


WHOLE = [b"%d" % n for n in range(ROUNDS)]


def some_of(cases, every):
    """Leave all but each so many of the cases to the slow sweeps."""
    return [
        case if at % every == 0 else pytest.param(case, marks=pytest.mark.slow)
        for at, case in enumerate(cases)
    ]


def nth_data(at, change):
    """Change the data message number `at`."""
    seen = []

    def act(sender, number, message):
        if not is_data(message):
            return [message]
        seen.append(number)
        return change(message) if len(seen) == at + 1 else [message]

    return act
