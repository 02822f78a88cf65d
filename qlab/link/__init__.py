"""The line between two parties: framed messages over ZeroMQ that survive a lost connection.

Nothing here is a security measure: whoever sits in between can read, change and drop.
Parties authenticate what they say to each other (`protocols.authentication`). What the
line sees of meddling it reports as `TamperedError` and never repairs.
"""

from qlab.link.ends import connect, listen
from qlab.link.errors import LinkEndedError, LinkLostError, TamperedError
from qlab.link.line import Line, Patience

__all__ = [
    "Line",
    "LinkEndedError",
    "LinkLostError",
    "Patience",
    "TamperedError",
    "connect",
    "listen",
]
