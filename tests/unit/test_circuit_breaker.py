"""When requests to a failing service are held back."""

from routes.auth.circuit_breaker import CircuitBreaker


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> CircuitBreaker:
    """A breaker after three failures in a row, which is all it takes."""
    breaker = CircuitBreaker(failures_max=3, open_s=10.0, clock=clock)
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = opened(Clock())
    assert not breaker.admits()
    assert breaker.retry_after_s == 10.0


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = CircuitBreaker(failures_max=2, clock=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.admits()
    assert breaker.retry_after_s == 0.0


def test_after_the_wait_one_request_tries() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]


def test_a_try_that_succeeds_closes_it() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10.0
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True, True, True]


def test_a_try_that_fails_begins_the_wait_anew() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10.0
    assert breaker.admits()
    breaker.failed()
    clock.now_s += 9.9
    assert not breaker.admits()
    clock.now_s += 0.1
    assert breaker.admits()


def test_a_try_that_never_ends_does_not_keep_it_open_for_ever() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s += 10.0
    assert breaker.admits()
    clock.now_s += 10.0
    assert breaker.admits()


def test_it_says_how_it_stands() -> None:
    assert repr(opened(Clock())) == "<CircuitBreaker failures=3 retry_after_s=10>"
