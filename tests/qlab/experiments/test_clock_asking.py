"""How often a clock is asked."""

from hypothesis import given
from hypothesis import strategies as st

from qlab.experiments.clock.asking import Asking


@given(st.integers(1, 100), st.lists(st.booleans(), max_size=40))
def test_asks_every_so_often_and_less_often_without_answers(every, answers):
    asking, in_a_row = Asking(every), 0
    for well in answers:
        assert asking.due()
        asking.answered(well)
        in_a_row = 0 if well else in_a_row + 1
        assert asking.failures == in_a_row
        wait = every if well else min(2 ** (in_a_row - 1), 64 * every)
        assert [asking.due() for _ in range(wait - 1)] == [False] * (wait - 1)
