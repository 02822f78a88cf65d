"""The table of benchmarks: whether a target is reached is not to be misread."""

from benchmarks.rows import Row, table


def test_a_target_is_reached_from_the_right_side():
    rate = Row("rate", 12.0, "M/s", 1.5, "peer", 10.0)
    time = Row("time", 0.2, "s", 2.0, "peer", 0.15, at_most=True)
    assert (rate.reached, time.reached, Row("x", 1, "s", 1, "y").reached) == ("yes", "NO", "")
    assert rate.cells() == ("rate", "12", "M/s", ">= 10", "yes", "1.50", "peer")
    assert time.cells() == ("time", "0.2", "s", "<= 0.15", "NO", "2.00", "peer")
    lines = table([rate, time]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].startswith("| what")
