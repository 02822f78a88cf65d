"""Print the tables of the family: ``python -m protocols.reconciliation.ldpc.design FRAME``."""

from __future__ import annotations

import sys

from protocols.reconciliation.ldpc.design.recipes import recipes
from protocols.reconciliation.ldpc.design.table import ladder_text

for frame in sys.argv[1:]:
    sys.stdout.write("\n".join(ladder_text(recipe) for recipe in recipes(int(frame))))
