"""Bob's side of Cascade."""

from __future__ import annotations

from collections.abc import Generator

from protocols.errors import MessageError, ParameterError
from protocols.reconciliation.cascade import questions as q
from protocols.reconciliation.cascade.batch import Batch
from protocols.reconciliation.cascade.forest import plant
from protocols.reconciliation.cascade.groups import Workers
from protocols.reconciliation.cascade.independence import SHORT, Rank
from protocols.reconciliation.cascade.kernels import Forest
from protocols.reconciliation.cascade.slicing import Slicing
from protocols.reconciliation.cascade.variants import block_counts
from protocols.reconciliation.interface import Estimate, Leak
from protocols.secret import SecretBits

__all__ = ["CascadeCorrector"]


class CascadeCorrector:
    """Asks for parities and corrects Bob's key; parameters as of `corrector`.

    Attributes
    ----------
    frames : int
        Frames that the key makes.
    failed : int
        Frames whose check failed after their first attempt.
    """

    def __init__(
        self, key: SecretBits, estimate: Estimate, seed: bytes, variant: str, workers: int
    ) -> None:
        self._seed = seed
        self._variant = variant
        self._rate = estimate.rate
        self._slicing = Slicing(key.bit_count, seed)
        block_counts(variant, self._rate, self._slicing.places)  # a variant that there is
        self._words = self._slicing.split(key)
        self._workers = Workers(workers)
        self._checker = q.Checker(seed)
        self._planted: tuple[tuple[tuple[int, ...], int], Forest] | None = None
        self._leak = Leak()
        self.frames = self._slicing.groups * self._slicing.lanes
        self.failed = 0
        self._batch: Batch | None = None
        self._exchange = self._run()
        self._due: bytes | None = next(self._exchange)
        self._asked = False
        self._broken = False

    @property
    def leak(self) -> Leak:
        """What has been disclosed so far; the same on both sides after each answer."""
        return self._leak if self._batch is None else _sum(self._leak, self._batch.leak)

    @property
    def two_way(self) -> bool:
        """Whether questions tell where the keys differ: they do."""
        return True

    def question(self) -> bytes | None:
        """Return the next question, or None when there is nothing left to ask.

        Raises
        ------
        ParameterError
            The last question has not been answered, or not rightly.
        """
        if self._asked or self._broken:
            raise ParameterError("the last question awaits its answer")
        self._asked = self._due is not None
        return self._due

    def answer(self, data: bytes) -> None:
        """Take Alice's answer to the last question.

        Raises
        ------
        MessageError
            There is no such question, or the answer does not fit it.
        """
        if not self._asked or self._broken:
            raise MessageError("an answer that belongs to no question")
        self._broken = True
        try:
            self._due = self._exchange.send(data)
        except StopIteration:
            self._due = None
        self._asked = self._broken = False

    def key(self) -> SecretBits:
        """Return the corrected key.

        Raises
        ------
        ParameterError
            There are further questions.
        """
        if self._due is not None or self._broken:
            raise ParameterError("the key is not corrected yet")
        return self._slicing.join(self._words)

    def _run(self) -> Generator[bytes, bytes, None]:
        slicing = self._slicing
        padding = slicing.padding()
        for start in range(0, slicing.groups, q.BATCH):
            words = self._words[start : start + q.BATCH]
            here = [(g - start, f, i) for g, f, i in padding if 0 <= g - start < len(words)]
            self._batch = Batch(
                words,
                slicing.lanes,
                here,
                self._variant,
                self._rate,
                self._plant,
                self._checker,
                self._workers,
                Rank() if slicing.size <= SHORT else None,
            )
            yield from self._batch.run()
            self.failed += self._batch.failed
            self._rate = self._batch.rate
            self._leak = _sum(self._leak, self._batch.leak)
            self._batch = None

    def _plant(self, counts: tuple[int, ...], attempt: int, rate: float) -> Forest:
        """Return the passes of an attempt, those of the last again where they are the same."""
        wanted = counts, attempt
        if self._planted is None or self._planted[0] != wanted:
            self._planted = wanted, plant(self._slicing.places, counts, self._seed, attempt, rate)
        return self._planted[1]


def _sum(a: Leak, b: Leak) -> Leak:
    return Leak(
        a.parities + b.parities, a.flags + b.flags, a.checks + b.checks, a.frames + b.frames
    )
