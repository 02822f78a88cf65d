"""What Alice's and Bob's side of an exchange have in common."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from protocols.authentication.polynomial import KEY_BYTES, polynomial_tag
from protocols.generator import expand
from protocols.reconciliation.ldpc.code import Words
from protocols.reconciliation.ldpc.codes import family
from protocols.reconciliation.ldpc.framing import Framing
from protocols.reconciliation.ldpc.progress import TAG_BITS, Batch, Progress
from protocols.secret import SecretBits

__all__ = ["Frames", "Side"]

_PIECE = 16

Frames = npt.NDArray[np.int64]


class Side:
    """A party's frames, and what both parties know.

    Parameters
    ----------
    key : SecretBits
    frame : int
        Bits of a frame, one of `codes.FRAMES`.
    seed : bytes
        Public; both parties use the same.
    workers : int
        Threads to use; the result does not depend on it.
    """

    def __init__(self, key: SecretBits, frame: int, seed: bytes, workers: int) -> None:
        self.seed = seed
        self.workers = workers
        self.framing = Framing(key.bit_count, frame, seed)
        self.frames = self.framing.cut(key)
        self.progress = Progress(self.framing, family(frame))
        self._places = self.framing.places()
        self.known = np.setdiff1d(np.arange(frame // 64), self._places)
        self._tag_keys = [expand(seed, f"ldpc {name}", 0, KEY_BYTES) for name in ("group", "frame")]

    def each_piece(self, work: Callable[[slice], None], count: int) -> None:
        """Do `work` on `count` things, a few at a time, by all workers."""
        step = max(1, min(_PIECE, count // (4 * self.workers)))
        pieces = [slice(at, min(at + step, count)) for at in range(0, count, step)]
        if self.workers == 1 or len(pieces) == 1:
            for piece in pieces:
                work(piece)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            for _ in pool.map(work, pieces):
                pass

    def syndromes(self, batch: Batch) -> Words:
        """Return the newest syndromes of a batch's frames, frames × words."""
        code = batch.ladder.code(batch.rows)
        out = np.empty((batch.frames.size, batch.new_words), np.uint64)

        def work(piece: slice) -> None:
            out[piece] = code.some_syndromes(self.frames[batch.frames[piece]], batch.before)

        self.each_piece(work, batch.frames.size)
        return out

    def group_tags(self) -> bytes:
        """Return the tags of the groups of decoded frames."""
        return self._tags(self.progress.groups(), 0)

    def frame_tags(self, frames: Frames) -> bytes:
        """Return the tag of each frame."""
        return self._tags([frames[i : i + 1] for i in range(frames.size)], 1)

    def _tags(self, groups: list[Frames], use: int) -> bytes:
        tags = [b""] * len(groups)

        def work(piece: slice) -> None:
            for index in range(piece.start, piece.stop):
                packed = self.frames[groups[index]].astype("<u8", copy=False).tobytes()
                tags[index] = polynomial_tag(packed, 8 * len(packed), self._tag_keys[use], TAG_BITS)

        self.each_piece(work, len(groups))
        return b"".join(tags)

    def payload(self, frames: Frames) -> SecretBits:
        """Return the bits of the block that are in some frames."""
        packed = self.frames[frames][:, self._places].astype("<u8", copy=False).tobytes()
        return SecretBits(packed, 8 * len(packed))

    def replace(self, frames: Frames, payload: SecretBits) -> None:
        """Put the bits of the block that are in some frames."""
        words = np.frombuffer(payload.reveal(), "<u8").reshape(frames.size, self._places.size)
        self.frames[np.ix_(frames, self._places)] = words
