"""What the processor that numba compiles for can do.

The features follow numba's settings, not the host: under ``NUMBA_CPU_NAME=generic`` there are
none. numba indexes its cache by the same features, so that a compiled kernel never meets a
processor it was not made for.
"""

from __future__ import annotations

import llvmlite.binding as llvm
from numba.core import codegen, config

__all__ = ["ARCHITECTURE", "FEATURES"]


def _features() -> frozenset[str]:
    chosen: str | None = vars(config)["CPU_FEATURES"]
    if chosen is None:
        chosen = str(codegen.get_host_cpu_features())  # type: ignore[no-untyped-call]  # numba's
    return frozenset(chosen.split(","))


ARCHITECTURE: str = llvm.get_process_triple().split("-")[0]
"""As LLVM names it: ``x86_64``, ``aarch64``, ``arm64``."""

FEATURES = _features()
"""As LLVM names them, those that there are with a plus sign in front."""
