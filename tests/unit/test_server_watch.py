"""When an embedded server that died is restarted, and when no more."""

import pytest

from evently.embedded import EmbeddedPostgresError, ServerWatch
from evently.embedded.server_watch import DEATHS_MAX, PAUSE_S, SETTLED_S


class Server:
    """A process that dies when it is told to, and starts if it can."""

    def __init__(self) -> None:
        self.running = True
        self.ready = True
        self.launches = 0
        self.fault: OSError | None = None

    def relaunch(self) -> None:
        assert not self.running
        self.launches += 1
        if self.fault is not None:
            raise self.fault
        self.running = True

    def last_words(self) -> str:
        return "exit code -9"

    def die(self) -> None:
        self.running = self.ready = False


class Watched:
    """A server and its watch, at a time that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.server = Server()
        self.watch = ServerWatch(self.server, clock=lambda: self.now_s)

    def look(self, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.watch.look()


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_server_that_lives_is_left_alone(watched: Watched) -> None:
    for _ in range(100):
        watched.look(after_s=1.0)
    assert watched.server.launches == 0


def test_one_that_had_settled_is_restarted_at_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    watched.look(after_s=SETTLED_S + 1)
    watched.server.die()
    watched.look()
    assert watched.server.launches == 1
    watched.look(after_s=1.0)
    watched.server.ready = True
    watched.look(after_s=1.5)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "it died; restarting it in 0.0 s; exit code -9" in caplog.text
    assert "accepts connections again, after 2.5 s" in caplog.text


def test_a_slow_start_is_left_to_go_on(watched: Watched) -> None:
    watched.server.die()
    for _ in range(100):
        watched.look(after_s=10.0)
    assert watched.server.launches == 1


def test_every_further_death_doubles_the_pause(watched: Watched) -> None:
    watched.server.die()
    watched.look()
    for pause_s in (PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S, 8 * PAUSE_S):
        launches = watched.server.launches
        watched.server.die()
        watched.look()
        watched.look(after_s=pause_s * 0.99)
        assert watched.server.launches == launches
        watched.look(after_s=pause_s * 0.02)
        assert watched.server.launches == launches + 1


def die_in_a_row(watched: Watched, times: int) -> None:
    for _ in range(times):
        watched.server.die()
        watched.look()
        watched.look(after_s=PAUSE_S * 2**DEATHS_MAX)


def test_it_gives_up_at_the_last_death_in_a_row_and_not_before(watched: Watched) -> None:
    die_in_a_row(watched, DEATHS_MAX - 1)
    assert watched.server.running
    watched.server.die()
    with pytest.raises(EmbeddedPostgresError, match=f"died {DEATHS_MAX} times in a row.*code -9"):
        watched.look()
    assert watched.server.launches == DEATHS_MAX - 1


def test_one_that_settles_in_between_starts_the_count_anew(watched: Watched) -> None:
    die_in_a_row(watched, DEATHS_MAX - 1)
    watched.server.ready = True
    watched.look()
    watched.look(after_s=SETTLED_S + 1)
    die_in_a_row(watched, DEATHS_MAX - 1)
    assert watched.server.running


def test_one_that_answers_for_a_moment_only_does_not(watched: Watched) -> None:
    die_in_a_row(watched, DEATHS_MAX - 1)
    watched.server.ready = True
    watched.look()
    watched.now_s += SETTLED_S
    watched.server.die()
    with pytest.raises(EmbeddedPostgresError):
        watched.look()


def test_a_process_that_cannot_be_made_counts_as_one_that_died(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.server.fault = OSError("out of memory")
    watched.server.die()
    for _ in range(DEATHS_MAX - 1):
        watched.look()
        watched.now_s += PAUSE_S * 2**DEATHS_MAX
        watched.watch.look()
    with pytest.raises(EmbeddedPostgresError):
        watched.look()
    assert watched.server.launches == DEATHS_MAX - 1
    assert "cannot be started: out of memory" in caplog.text
