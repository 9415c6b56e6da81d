"""The bounded queue in front of an actor."""

import asyncio

import pytest

from actors.envelope import Envelope
from actors.mailbox import Mailbox
from evently.domain.errors import DatabaseUnavailable, Overloaded
from tests.examples import request


@pytest.fixture
def envelopes() -> list[Envelope]:
    loop = asyncio.new_event_loop()
    loop.close()
    return [Envelope(request(key=f"k{n}"), asyncio.Future(loop=loop)) for n in range(4)]


def test_a_mailbox_is_empty_and_false_at_first() -> None:
    assert not Mailbox()
    assert Mailbox().take(5) == []


def test_the_oldest_are_taken_first(envelopes: list[Envelope]) -> None:
    mailbox = Mailbox()
    for envelope in envelopes:
        mailbox.put(envelope, 0.0)

    assert mailbox.take(3) == envelopes[:3]
    assert mailbox.take(3) == envelopes[3:]


def test_a_mailbox_takes_as_many_as_its_bound(envelopes: list[Envelope]) -> None:
    mailbox = Mailbox(3)
    for envelope in envelopes[:3]:
        mailbox.put(envelope, 0.0)

    assert len(mailbox) == 3


def test_a_full_mailbox_refuses_at_once_and_is_unchanged(envelopes: list[Envelope]) -> None:
    mailbox = Mailbox(3)
    for envelope in envelopes[:3]:
        mailbox.put(envelope, 0.0)

    with pytest.raises(Overloaded):
        mailbox.put(envelopes[3], 0.0)

    assert mailbox.take(9) == envelopes[:3]


def test_a_mailbox_that_is_shut_refuses_until_its_time_or_until_it_is_open(
    envelopes: list[Envelope],
) -> None:
    mailbox = Mailbox()
    why = DatabaseUnavailable("down")
    mailbox.shut(why, 2.0)

    with pytest.raises(DatabaseUnavailable, match="down") as caught:
        mailbox.put(envelopes[0], 1.9)
    assert caught.value is not why, "each has its own traceback"
    mailbox.put(envelopes[1], 2.0)
    # What was admitted once is put back all the same.
    mailbox.shut(why)
    mailbox.put_back(envelopes[:1])
    with pytest.raises(DatabaseUnavailable):
        mailbox.put(envelopes[2], 1e9)
    mailbox.open()
    mailbox.put(envelopes[2], 0.0)

    assert mailbox.take(9) == envelopes[:3]


def test_what_is_put_back_comes_first_in_its_order_though_it_is_full(
    envelopes: list[Envelope],
) -> None:
    mailbox = Mailbox(2)
    mailbox.put(envelopes[2], 0.0)
    mailbox.put(envelopes[3], 0.0)

    mailbox.put_back(envelopes[:2])

    assert mailbox.take(9) == envelopes


def test_what_is_set_apart_is_taken_without_those_behind_it_and_once() -> None:
    mailbox = Mailbox()
    mailbox.set_apart(3)
    assert [mailbox.portion(64) for _ in range(2)] == [3, 64]


def test_what_is_set_apart_one_by_one_stays_so_until_all_were_taken() -> None:
    mailbox = Mailbox()
    mailbox.set_apart(2, one_by_one=True)
    assert mailbox.portion(64) == 1
    # Somebody else's failure meanwhile does not put them together again.
    mailbox.set_apart(5)
    assert [mailbox.portion(64) for _ in range(2)] == [1, 64]
    mailbox.set_apart(5)
    assert mailbox.portion(64) == 5


def test_what_comes_after_its_deadline_is_not_let_in() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    envelope = Envelope(request(deadline_s=2.0), asyncio.Future(loop=loop))
    mailbox = Mailbox()

    with pytest.raises(Overloaded, match="deadline"):
        mailbox.put(envelope, 2.001)
    assert not mailbox
    mailbox.put(envelope, 2.0)
    assert len(mailbox) == 1
