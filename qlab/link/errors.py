"""How a line between two parties ends other than by agreement."""

from __future__ import annotations

from qlab.errors import ExitCode, QlabError

__all__ = ["LinkEndedError", "LinkLostError", "TamperedError"]


class LinkLostError(QlabError):
    """The other party cannot be reached, or says nothing for too long."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, remedy="check that the other side runs and the network between; start both"
        )


class LinkEndedError(QlabError):
    """The other party has ended the conversation; the message is its reason."""

    def __init__(self, reason: str, *, insecure: bool = False) -> None:
        super().__init__(
            f"the other party has ended: {reason or 'it has nothing more to say'}",
            remedy="see what it reports; start both anew",
        )
        if insecure:
            self.exit_code = ExitCode.INSECURE


class TamperedError(QlabError):
    """What arrived was changed, repeated or reordered on its way."""

    exit_code = ExitCode.INSECURE

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the line was tampered with: {what}",
            remedy="no key can be given; find out what is between the parties",
        )
