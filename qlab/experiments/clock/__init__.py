"""Local clocks disciplined to a distributed reference."""
