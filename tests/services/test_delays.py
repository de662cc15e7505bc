from app.services.delays import MINUTES, Delays
from tests.support.clock import Clock


def test_the_longest_of_the_last_minutes_counts():
    clock = Clock()
    delays = Delays(clock)
    assert delays.longest() == (0.0, 0.0)
    for seconds, work in ((0.01, 0.01), (0.5, 0.02), (0.03, 0.03)):
        delays.note(seconds, work)
    assert delays.longest() == (0.5, 0.03)
    clock.now += 60 * MINUTES + 1
    delays.note(0.02, 0.0)
    assert delays.longest() == (0.02, 0.0)


def test_the_log_tells_of_a_long_one_once_and_again_when_it_is_worse():
    clock = Clock()
    delays = Delays(clock)
    assert [delays.note(seconds, 0.0) for seconds in (0.1, 0.2, 0.3, 0.7, 0.8)] == [False, True, False, True, False]
    clock.now += 60
    assert [delays.note(seconds, 0.0) for seconds in (0.2, 0.39, 0.41)] == [True, False, True]
    clock.now += 60
    assert delays.note(0.3, 0.0)
