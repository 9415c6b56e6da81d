"""A burst of holds against the fake service: what is counted, and what does not add up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from evently.commands.burst import burst
from evently.commands.burst_holds import HoldBurst, HoldOrder, report_holds
from evently.commands.burst_opening import Seconds, opening_at, report_opening, wait_until
from evently.commands.burst_play import OnSale
from evently_client import ClientLimits, EventForBooking, Failure, Unauthorized
from evently_client.testing import Break, FakeEventService
from evently_client.transport import Answer, Request


class Rehearsal:
    """One event of the fake service, and a burst of holds on it."""

    def __init__(
        self, capacity: int, /, *, limits: ClientLimits | None = None, **order: Any
    ) -> None:
        self.fake = FakeEventService()
        self.event_id = self.fake.add_event(capacity)
        self.client = self.fake.client(limits=limits)
        self.order = HoldOrder(
            **{
                "clients": 4,
                "requests": 40,
                "seats": 1,
                "hold_for_s": 30,
                "confirms": 0.5,
                "releases": 0.25,
                **order,
            }
        )

    async def play(self) -> HoldBurst:
        before = await self.client.get_event(self.event_id)
        self.event = OnSale(before, before.available_seats)
        holding = HoldBurst(self.client, [self.event], self.order)
        await holding.play()
        return holding

    def breaks(self, step: str, broken: Break) -> None:
        """Let the first request of that step fail."""
        carry_out, steps = self.fake.answer, [step]

        async def answer(request: Request, timeout_s: float) -> Answer | Failure:
            action = request.target.rpartition("/")[2]
            found = {"holds": "hold", "confirm": "confirm"}.get(action, request.method)
            if found in steps:
                steps.remove(found)
                self.fake.break_next(broken)
            return await carry_out(request, timeout_s)

        self.fake.answer = answer  # type: ignore[method-assign]

    async def problems(self, holding: HoldBurst) -> list[str]:
        self.fake.pass_time(timedelta(seconds=self.order.hold_for_s))
        await holding.look()
        return await holding.settle(alone=True, expiry_s=0.0)


def figures(rehearsal: Rehearsal, holding: HoldBurst) -> dict[str, str]:
    """The report's lines by their first word."""
    lines = report_holds(rehearsal.order, [rehearsal.event], holding.tally)[1:]
    return dict(line.split(maxsplit=1) for line in lines)


async def test_every_hold_is_confirmed_released_or_left_and_all_adds_up() -> None:
    rehearsal = Rehearsal(100, seats=2)
    holding = await rehearsal.play()
    assert holding.left_s > 0
    assert await rehearsal.problems(holding) == []
    seats, left = holding.tally.seats, len(holding.tally.left)
    assert seats["hold"] == 80
    assert seats["confirm"] + seats["release"] + 2 * left == 80
    assert min(seats["confirm"], seats["release"], left) > 0
    assert rehearsal.fake.event(rehearsal.event_id).available_seats == 100 - seats["confirm"]
    found = figures(rehearsal, holding)
    assert found["held"] == "80 seats for 30 s"
    assert found["left"] == f"{left}: expired {left}"
    assert (found["refused"], found["unknown"]) == ("0", "0")
    assert {"hold", "confirm", "release"} <= found.keys()


async def test_what_is_refused_is_counted() -> None:
    rehearsal = Rehearsal(10, confirms=1.0, releases=0.0)
    holding = await rehearsal.play()
    assert holding.left_s == 0
    assert await rehearsal.problems(holding) == []
    found = figures(rehearsal, holding)
    assert (found["confirmed"], found["left"]) == ("10 seats", "0")
    assert found["refused"] == "30: INSUFFICIENT_SEATS 30"
    assert "release" not in found


@pytest.mark.parametrize("step", ["hold", "confirm"])
async def test_a_lost_answer_is_a_replay(step: str) -> None:
    rehearsal = Rehearsal(100, confirms=1.0, releases=0.0)
    rehearsal.breaks(step, Break.LOST_ANSWER)
    holding = await rehearsal.play()
    assert await rehearsal.problems(holding) == []
    assert figures(rehearsal, holding)["replays"] == "1 answers replayed to a retry"


@pytest.mark.parametrize("broken", [Break.LOST_ANSWER, Break.LOST_REQUEST])
@pytest.mark.parametrize(("step", "ended"), [("confirm", "confirmed"), ("DELETE", "released")])
async def test_an_end_that_is_not_known_is_looked_up(broken: Break, step: str, ended: str) -> None:
    confirms = 1.0 if step == "confirm" else 0.0
    order = {"requests": 1, "confirms": confirms, "releases": 1 - confirms}
    rehearsal = Rehearsal(100, limits=ClientLimits(tries_max=1), **order)
    rehearsal.breaks(step, broken)
    holding = await rehearsal.play()
    assert holding.left_s > 0
    assert await rehearsal.problems(holding) == []
    assert holding.tally.ended == {ended if broken is Break.LOST_ANSWER else "expired": 1}
    assert figures(rehearsal, holding)["unknown"] == "1: CONNECTION_LOST 1"


async def test_a_hold_of_unknown_outcome_is_waited_for() -> None:
    rehearsal = Rehearsal(100, limits=ClientLimits(tries_max=1), requests=1)
    rehearsal.breaks("hold", Break.LOST_ANSWER)
    holding = await rehearsal.play()
    assert holding.left_s > 0
    assert rehearsal.fake.event(rehearsal.event_id).held_seats == 1
    assert await rehearsal.problems(holding) == []


@pytest.mark.parametrize(
    ("seats", "said"),
    [
        (1, "61 seats are available, expected 60"),
        (-1, "59 seats are available, expected 60"),
        (41, "101 of 100 seats are available"),
    ],
)
async def test_seats_that_do_not_add_up_are_told(seats: int, said: str) -> None:
    rehearsal = Rehearsal(100, confirms=1.0, releases=0.0)
    holding = await rehearsal.play()
    rehearsal.fake.event(rehearsal.event_id).available_seats += seats
    (problem, *_) = await rehearsal.problems(holding)
    assert said in problem


async def test_a_version_too_many_is_told() -> None:
    rehearsal = Rehearsal(100, confirms=1.0, releases=0.0)
    holding = await rehearsal.play()
    rehearsal.fake.event(rehearsal.event_id).version += 1
    (problem,) = await rehearsal.problems(holding)
    assert "80 moves were answered, but 81 versions were made" in problem


async def test_a_wrong_key_ends_it_at_once() -> None:
    rehearsal = Rehearsal(100)
    before = await rehearsal.client.get_event(rehearsal.event_id)
    wrong = rehearsal.fake.client(api_key="wrong")
    with pytest.raises(Unauthorized):
        await HoldBurst(wrong, [OnSale(before, 100)], rehearsal.order).play()


# The opening


NOW = datetime(2030, 1, 1, 10, tzinfo=UTC)


def test_the_opening_is_after_the_time_or_at_a_later_start_of_sales() -> None:
    soon, late = NOW + timedelta(seconds=5), NOW + timedelta(seconds=20)
    in_10_s = NOW + timedelta(seconds=10)
    assert opening_at(NOW, 10, []) == in_10_s
    assert opening_at(NOW, 10, [None, soon]) == in_10_s
    assert opening_at(NOW, 10, [None, soon, late]) == late


async def test_nobody_begins_before_the_opening() -> None:
    at = datetime.now(UTC) + timedelta(seconds=0.05)
    await wait_until(at)
    assert datetime.now(UTC) >= at - timedelta(milliseconds=2)
    await wait_until(NOW - timedelta(days=9999))


def test_the_first_ok_of_all_events_is_told() -> None:
    before = EventForBooking("id", 5, 8, Decimal(1), 2, "published")
    events = [OnSale(before, 5) for _ in range(3)]
    assert report_opening(1.0, events) == "  first OK    none"
    events[1].first_ok_s, events[2].first_ok_s = 1.5, 1.25
    assert report_opening(1.0, events) == "  first OK    250.0 ms after the opening"


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--holds", "--mode", "strict"], "--mode is only for a burst without --holds"),
        (["--holds", "--returns", "0.1"], "--returns is only for a burst without --holds"),
        (["--holds", "--batch", "2"], "--batch is only for a burst without --holds"),
        (["--hold-for", "60"], "--hold-for is only for a burst with --holds"),
        (["--confirms", "0.1"], "--confirms is only for a burst with --holds"),
        (["--holds", "--confirms", "0.9"], "--confirms and --releases must be 1 together, or less"),
        (["--holds", "--hold-for", "29s"], "'29s' is no duration of 30 s to 7200 s"),
        (["--holds", "--hold-for", "7201"], "'7201' is no duration of 30 s to 7200 s"),
        (["--opens-in", "soon"], "'soon' is no duration of 0 s to 86400 s, such as 30s or 2m"),
        (["--opens-in", "25h"], "'25h' is no duration"),
        (["--opens-in=-1s"], "'-1s' is no duration"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str], said: str) -> None:
    given = CliRunner().invoke(burst, [*options, "--key", "k", "--url", "http://127.0.0.1:9"])
    assert given.exit_code == 2
    assert said in " ".join(given.stderr.split())


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("30s", 30), ("2m", 120), ("2h", 7200)])
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: int) -> None:
    assert Seconds(30, 7200).convert(text, None, None) == seconds
