"""One line of the table of benchmarks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A figure, what it is wanted to reach, and what else was measured in the same run.

    `ratio` is this figure over that of `against`; both are rates, or both are times.
    """

    name: str
    figure: float
    unit: str
    ratio: float
    against: str
    target: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> str:
        """Whether the target is: yes, no, or nothing where there is none."""
        if self.target is None:
            return ""
        good = self.figure <= self.target if self.at_most else self.figure >= self.target
        return "yes" if good else "NO"

    def cells(self) -> tuple[str, ...]:
        sign = "<=" if self.at_most else ">="
        wanted = "" if self.target is None else f"{sign} {self.target:g}"
        figure = f"{self.figure:,.0f}" if self.figure >= 1000 else f"{self.figure:.3g}"
        return (
            self.name, figure, self.unit, wanted, self.reached, f"{self.ratio:.2f}", self.against,
        )  # fmt: skip


HEAD = ("what", "figure", "unit", "target", "reached", "ratio", "to")


def table(rows: list[Row]) -> str:
    """Return rows as a table in Markdown, aligned."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "| " + " | ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (n + 2) for n in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])
