"""Cascade, by the interface of all reconciliation."""

from __future__ import annotations

from protocols.reconciliation.cascade.exchange import answerer, corrector
from protocols.reconciliation.cascade.search import (
    ERROR_PATTERN_NOTE,
    Answerer,
    Corrector,
    Question,
)

__all__ = [
    "ERROR_PATTERN_NOTE",
    "Answerer",
    "Corrector",
    "Question",
    "answerer",
    "corrector",
]
