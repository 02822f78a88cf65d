"""What the discipline loop can be in, what it notices, and why it did what it did."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = ["Flag", "Quality", "Reason", "State"]


class Quality(IntEnum):
    """What the reference says of itself, carried by every reading.

    A good reading is used as it is. A degraded or unknown one counts with thrice the noise
    and keeps a lock but does not make one. A bad one is never used and ends the lock at once.
    """

    GOOD = 0
    DEGRADED = 1
    UNKNOWN = 2
    BAD = 3


class State(IntEnum):
    """Where the loop stands; only `LOCKED` claims that the local clock is right."""

    #: Learning phase and frequency for the first time, or again after the local clock failed.
    ACQUIRING = 0
    #: The phase is within the limit, and nothing speaks against the reference.
    LOCKED = 1
    #: Steered by prediction alone.
    HOLDOVER = 2
    #: Still in holdover, while a reference that came back is watched.
    CHECKING = 3
    #: Steered by readings again, not yet locked.
    RECOVERING = 4
    #: The local clock says that it is not to be trusted: its steering is left alone.
    FAULT = 5


class Flag(IntFlag):
    """What was noticed at one reading."""

    NONE = 0
    #: There was no reading, or its quality was bad.
    MISSING = 1
    #: The reading was not finite, or further off than a second.
    GARBAGE = 2
    #: Its residual was beyond the outlier limit; it was not used.
    OUTLIER = 4
    #: Its time did not go forward; the loop did nothing.
    UNTIMELY = 8
    #: Readings before it are missing from the sequence.
    GAP = 16
    #: A run of residuals is of one sign, too much for noise.
    SUSPICIOUS = 32
    #: It contradicts the holdover's prediction.
    INCONSISTENT = 64
    #: There is no usable temperature; the last one is kept.
    NO_TEMPERATURE = 128
    #: The last command was not confirmed; it is given again.
    UNCONFIRMED = 256
    #: The local clock reports a fault.
    LOCAL_FAULT = 512
    #: Range or slew limit held the steering back.
    HELD_BACK = 1024
    #: The estimate went back to before the reference was in doubt.
    ROLLED_BACK = 2048


class Reason(IntEnum):
    """Why the loop is in its state: what the last change of state followed from."""

    STARTED = 0
    PHASE_WITHIN_LIMIT = 1
    PHASE_BEYOND_LIMIT = 2
    READINGS_MISSING = 3
    OUTLIERS_IN_A_ROW = 4
    RESIDUALS_DRIFT = 5
    TOO_MANY_LOST = 6
    REFERENCE_BAD = 7
    REFERENCE_BACK = 8
    REFERENCE_CONSISTENT = 9
    REFERENCE_INCONSISTENT = 10
    REFERENCE_MOVED_WHILE_WATCHED = 11
    REFERENCE_LOST_WHILE_WATCHED = 12
    REFERENCE_ACCEPTED = 13
    LOCAL_FAULT = 14
    LOCAL_RECOVERED = 15
    ACQUISITION_RESTARTED = 16
    PPS_PLACED = 17

    @property
    def text(self) -> str:
        """The reason in words."""
        return _TEXTS[self]


_TEXTS = {
    Reason.STARTED: "the loop has started and learns phase and frequency",
    Reason.PHASE_WITHIN_LIMIT: "the phase has stayed within the limit for the lock",
    Reason.PHASE_BEYOND_LIMIT: "the phase may be beyond the limit for the lock",
    Reason.READINGS_MISSING: "three readings in a row are missing",
    Reason.OUTLIERS_IN_A_ROW: "three readings in a row are outliers: a step or a fast drift",
    Reason.RESIDUALS_DRIFT: "the residuals drift: reference or local clock has left its course",
    Reason.TOO_MANY_LOST: "half of the last readings are missing or outliers",
    Reason.REFERENCE_BAD: "the reference says that it is bad",
    Reason.REFERENCE_BACK: "the reference is back within the holdover's bound and is watched",
    Reason.REFERENCE_CONSISTENT: "the reference has stayed consistent with the holdover",
    Reason.REFERENCE_INCONSISTENT: (
        "the reference is back but beyond the holdover's bound: refused; to accept it start "
        "the run again, or set accept_after_readings"
    ),
    Reason.REFERENCE_MOVED_WHILE_WATCHED: "the reference moved while it was watched",
    Reason.REFERENCE_LOST_WHILE_WATCHED: "the reference was lost while it was watched",
    Reason.REFERENCE_ACCEPTED: "the reference was accepted as it is; its phase is taken anew",
    Reason.LOCAL_FAULT: "the local clock reports a fault; its steering stays as it is",
    Reason.LOCAL_RECOVERED: "the local clock is well again; phase and frequency are learnt anew",
    Reason.ACQUISITION_RESTARTED: "the readings contradict each other; learning starts again",
    Reason.PPS_PLACED: "the 1PPS is to be placed; learning starts again from there",
}
