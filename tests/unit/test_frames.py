"""What one worker sends, another reads as the same values; what is no frame is refused."""

import struct
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.envelope import Request
from actors.peers.frame_contents import (
    ANSWERS,
    answer_frame,
    answer_in,
    ask_frame,
    decode_state,
    encode_state,
    fault_frame,
    fault_in,
    request_in,
)
from actors.peers.frames import (
    FRAME_BYTES_MAX,
    AnswerFrame,
    AskFrame,
    FaultFrame,
    Frame,
    FrameReader,
    ReadFrame,
    StateFrame,
    encode,
)
from evently.domain.commands import (
    Cancel,
    ChangeHold,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.errors import (
    CommandFailed,
    DatabaseUnavailable,
    Fault,
    OutcomeUnknown,
    Overloaded,
    RowLocked,
)
from evently.domain.event import UPDATABLE
from evently.domain.holdbacks import Holdback
from evently.domain.holds import Hold, HoldStatus
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    AmountExceedsRevenue,
    Answer,
    CapacityBelowSold,
    Done,
    HoldbackNotFound,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    InvalidFields,
    InvalidTransition,
    KeyReused,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    NotOnSale,
    NotOwner,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import EventDetails, EventState, Status
from evently.domain.term_versions import TermVersions

seats = st.integers(1, 2**31 - 1)
versions = st.integers(1, 2**63 - 1)
uuids = st.uuids().map(str)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
instants = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
prices = st.decimals(0, Decimal("9999999999.99"), places=2)
statuses = st.sampled_from(Status)
blocks = st.lists(st.builds(Holdback, texts, seats, st.none() | instants), max_size=3).map(tuple)
changes = st.fixed_dictionaries(
    {},
    optional={
        "name": texts,
        "description": texts,
        "venue_id": uuids,
        "event_type": texts,
        "start_datetime": instants,
        "end_datetime": instants,
        "base_price": prices,
        "max_tickets_per_booking": seats,
        "total_capacity": seats,
        "status": statuses,
        "sales_start": st.none() | instants,
        "sales_end": st.none() | instants,
        "paused": st.booleans(),
        "currency": texts,
        "holdbacks": blocks,
    },
)

COMMAND: dict[type, st.SearchStrategy[Command]] = {
    Reserve: st.builds(
        Reserve,
        seats,
        st.none() | versions,
        st.booleans(),
        st.none() | prices,
        st.none() | texts,
    ),
    Return: st.builds(Return, seats, st.none() | versions, st.booleans(), st.none() | prices),
    Update: st.builds(
        Update,
        uuids,
        st.booleans(),
        versions,
        changes,
        st.integers(0, 2**31 - 1),
        st.none() | st.integers(0, 2**31 - 1),
        st.booleans(),
    ),
    Cancel: st.builds(Cancel, uuids, st.booleans(), versions, st.booleans()),
}
hold_ids = uuids
COMMAND |= {
    PlaceHold: st.builds(
        PlaceHold,
        hold_ids,
        seats,
        st.integers(30, 7200),
        st.none() | texts,
        st.none() | versions,
        st.booleans(),
    ),
    ChangeHold: st.builds(
        ChangeHold, hold_ids, st.none() | seats, st.none() | st.integers(30, 7200)
    ),
    Confirm: st.builds(Confirm, hold_ids, st.none() | prices, st.booleans()),
    Release: st.builds(Release, hold_ids),
    Expire: st.just(Expire()),
}
holds = st.builds(
    Hold,
    hold_ids,
    seats,
    prices,
    st.sampled_from(HoldStatus),
    st.none() | texts,
    instants,
    instants,
    st.none() | instants,
    st.booleans(),
    st.none() | prices,
)
states = st.builds(
    EventState,
    details=st.builds(
        EventDetails,
        event_id=uuids,
        name=texts,
        description=texts,
        venue_id=uuids,
        event_type=texts,
        start_datetime=instants,
        end_datetime=instants,
        base_price=prices,
        max_tickets_per_booking=seats,
        created_by=uuids,
        created_at=instants,
        sales_start=st.none() | instants,
        sales_end=st.none() | instants,
        paused=st.booleans(),
        currency=texts,
        holdbacks=blocks,
        held_back_seats=seats,
        next_release_at=st.none() | instants,
        term_versions=st.builds(
            TermVersions, versions, st.lists(st.tuples(texts, versions), max_size=3).map(tuple)
        ),
    ),
    total_capacity=seats,
    available_seats=st.integers(0, 2**31 - 1),
    status=statuses,
    version=versions,
    terms_version=versions,
    revenue=st.decimals(0, Decimal("9999999999999999999999.99"), places=2),
    updated_at=instants,
    held_seats=seats,
    edited_version=versions,
)
ANSWER: dict[type, st.SearchStrategy[Answer]] = {
    Done: st.builds(
        Done,
        versions,
        st.integers(0, 2**31 - 1),
        statuses,
        instants,
        st.none() | states,
        st.booleans(),
        st.none() | holds,
        st.booleans(),
        st.none() | prices,
    ),
    KeyReused: st.builds(KeyReused, keys),
    NotFound: st.just(NotFound()),
    NotOwner: st.just(NotOwner()),
    NotModifiable: st.builds(NotModifiable, statuses, st.booleans()),
    NotOnSale: st.builds(
        NotOnSale, st.none() | instants, st.none() | instants, st.booleans(), instants
    ),
    InsufficientSeats: st.builds(
        InsufficientSeats, seats, seats, seats, st.none() | instants, st.none() | texts
    ),
    SeatsExceedCapacity: st.builds(SeatsExceedCapacity, seats, seats),
    AmountExceedsRevenue: st.builds(AmountExceedsRevenue, prices, prices),
    StaleVersion: st.builds(
        StaleVersion, versions, versions, seats, statuses, st.lists(texts, max_size=3).map(tuple)
    ),
    InvalidTransition: st.builds(InvalidTransition, statuses, texts),
    CapacityBelowSold: st.builds(CapacityBelowSold, seats, seats, seats, seats),
    MaxTicketsExceeded: st.builds(MaxTicketsExceeded, seats, seats),
    HoldNotFound: st.builds(HoldNotFound, hold_ids),
    HoldbackNotFound: st.builds(HoldbackNotFound, texts),
    HoldNotActive: st.builds(HoldNotActive, hold_ids, st.sampled_from(HoldStatus)),
    HoldExpired: st.builds(HoldExpired, hold_ids, instants, seats, seats),
    HoldPriceChanged: st.builds(HoldPriceChanged, hold_ids, prices, prices),
    InvalidFields: st.builds(
        InvalidFields, st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
    ),
}


def requests_with(*commands: type) -> st.SearchStrategy[Request]:
    return st.builds(
        Request,
        command=st.one_of([COMMAND[command] for command in commands]),
        key=keys,
        keyed=st.booleans(),
        origin=st.builds(Origin, texts, keys),
        deadline_s=st.floats(0, 1e9),
        doubtful=st.booleans(),
    )


requests, admins_requests = requests_with(*COMMAND), requests_with(Update, Cancel)
answers = st.one_of(list(ANSWER.values()))
faults = st.one_of(
    st.builds(Overloaded, texts),
    st.builds(RowLocked, texts),
    st.builds(DatabaseUnavailable, texts),
    st.builds(OutcomeUnknown, keys),
    st.builds(CommandFailed, texts),
)
frame_ids = st.integers(0, 2**63 - 1)
frames = st.one_of(
    st.builds(ask_frame, frame_ids, uuids, requests),
    st.builds(ReadFrame, frame_ids, uuids),
    st.builds(answer_frame, frame_ids, answers),
    st.builds(fault_frame, frame_ids, faults),
    st.builds(
        StateFrame,
        frame_ids,
        (st.none() | states).map(lambda state: msgspec.Raw(encode_state(state))),
    ),
)


def through(frame: Frame) -> Any:
    """The frame as the other end reads it."""
    (read,) = FrameReader().feed(encode(frame))
    return read


def test_every_command_and_answer_is_tried_here() -> None:
    assert COMMAND.keys() == set(get_args(Command))
    assert ANSWER.keys() == set(ANSWERS)


@given(frame_ids, uuids, requests)
def test_a_request_arrives_as_it_was_sent(frame_id: int, event_id: str, request: Request) -> None:
    frame = through(ask_frame(frame_id, event_id, request))
    assert isinstance(frame, AskFrame)
    assert (frame.id, frame.event_id) == (frame_id, event_id)
    arrived = request_in(frame)
    assert arrived == request
    assert type(arrived.command) is type(request.command)
    if isinstance(request.command, Update) and isinstance(arrived.command, Update):
        sent, got = request.command.changes, arrived.command.changes
        assert {name: type(to) for name, to in got.items()} == {
            name: type(to) for name, to in sent.items()
        }


def test_every_field_an_admin_may_change_can_be_forwarded() -> None:
    examples = {
        "name": "N",
        "description": "",
        "venue_id": "11111111-1111-4111-8111-111111111111",
        "event_type": "t",
        "start_datetime": datetime(2030, 1, 1, tzinfo=UTC),
        "end_datetime": datetime(2030, 1, 2, 1, 2, 3, 456789, tzinfo=UTC),
        "base_price": Decimal("0.10"),
        "max_tickets_per_booking": 1,
        "total_capacity": 2,
        "status": "cancelled",
        "sales_start": None,
        "sales_end": datetime(2030, 1, 2, tzinfo=UTC),
        "paused": True,
        "currency": "EUR",
        "holdbacks": (Holdback("Press", 20, datetime(2030, 1, 1, tzinfo=UTC)), Holdback("B", 0)),
    }
    assert examples.keys() == UPDATABLE
    request = Request(Update("a", False, 1, examples, 7), "k", False, Origin("c", "r"), 1.5)
    assert request_in(through(ask_frame(1, "e", request))) == request


@given(frame_ids, answers)
def test_an_answer_arrives_as_it_was_given(frame_id: int, answer: Answer) -> None:
    frame = through(answer_frame(frame_id, answer))
    assert isinstance(frame, AnswerFrame)
    assert frame.id == frame_id
    arrived = answer_in(frame)
    assert arrived == answer
    assert type(arrived) is type(answer)


@given(frame_ids, faults)
def test_a_fault_arrives_as_what_it_is(frame_id: int, fault: Fault) -> None:
    frame = through(fault_frame(frame_id, fault))
    assert isinstance(frame, FaultFrame)
    arrived = fault_in(frame)
    assert (type(arrived), str(arrived)) == (type(fault), str(fault))
    if isinstance(fault, OutcomeUnknown) and isinstance(arrived, OutcomeUnknown):
        assert arrived.key == fault.key


@pytest.mark.parametrize("bug", [ValueError("password=x"), LookupError("e"), KeyError("k")])
def test_what_is_no_fault_a_caller_may_see_arrives_without_its_text(bug: Exception) -> None:
    arrived = fault_in(through(fault_frame(1, bug)))
    assert (type(arrived), str(arrived)) == (CommandFailed, "")


@given(st.none() | states)
def test_a_state_arrives_as_it_is(state: EventState | None) -> None:
    frame = through(StateFrame(5, msgspec.Raw(encode_state(state))))
    assert isinstance(frame, StateFrame)
    assert decode_state(bytes(frame.state)) == state


@given(st.lists(frames, max_size=6), st.data())
def test_frames_arrive_however_the_bytes_are_cut(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode(frame) for frame in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    reader = FrameReader()
    arrived: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        arrived.extend(reader.feed(stream[start:end]))
    assert [encode(frame) for frame in arrived] == [encode(frame) for frame in sent]


def test_bytes_one_by_one_make_the_frame_with_the_last_of_them() -> None:
    reader = FrameReader()
    stream = encode(ReadFrame(7, "event"))
    for byte in stream[:-1]:
        assert not list(reader.feed(bytes([byte])))
    (frame,) = reader.feed(stream[-1:])
    assert frame == ReadFrame(7, "event")
    assert not list(reader.feed(b""))


def test_a_frame_of_the_largest_size_is_read_and_one_byte_more_is_refused() -> None:
    empty = len(encode(ReadFrame(1, "x" * 70_000))) - 70_000 - 4
    largest = ReadFrame(1, "x" * (FRAME_BYTES_MAX - empty))
    stream = encode(largest)
    assert len(stream) == 4 + FRAME_BYTES_MAX
    assert list(FrameReader().feed(stream)) == [largest]
    with pytest.raises(ValueError, match="too long"):
        list(FrameReader().feed(encode(ReadFrame(1, largest.event_id + "x"))))
    with pytest.raises(ValueError, match="too long"):
        list(FrameReader().feed(struct.pack(">I", FRAME_BYTES_MAX + 1)))


def as_frame(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"GET / HTTP/1.1\r\n\r\n",
        msgspec.msgpack.encode({"id": 1}),
        msgspec.msgpack.encode([2, "one", "event"]),
        msgspec.msgpack.encode([2, 1]),
        msgspec.msgpack.encode([99, 1, "event"]),
        msgspec.msgpack.encode([2, 1, "event"]) + b"\0",
        msgspec.msgpack.encode([2, 1, "event"])[:-1],
    ],
)
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of them: the stream is cut off
        list(FrameReader().feed(as_frame(body)))


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_but_a_value_error(body: bytes) -> None:
    with suppress(ValueError):
        list(FrameReader().feed(as_frame(body)))
    with suppress(ValueError):
        list(FrameReader().feed(body))


@given(admins_requests, st.integers(0, 50), st.binary(min_size=1, max_size=4))
def test_changes_with_broken_bytes_raise_nothing_but_a_value_error(
    request: Request, at: int, broken: bytes
) -> None:
    frame = ask_frame(1, "event", request)
    assert frame.edit is not None
    changes = bytes(frame.edit.changes)
    at = min(at, len(changes))
    frame.edit.changes = msgspec.Raw(changes[:at] + broken + changes[at + len(broken) :])
    with suppress(ValueError):
        request_in(frame)


@pytest.mark.parametrize("request_", [Update("a", False, 1, {}, 7), Cancel("a", False, 1)])
def test_a_change_that_names_no_version_is_refused(request_: Command) -> None:
    frame = ask_frame(1, "e", Request(request_, "k", False, Origin("c", "r"), 1.0))
    frame.version = None
    with pytest.raises(ValueError, match="version"):
        request_in(frame)


@pytest.mark.parametrize("kind", [len(ANSWERS), 99])
def test_an_answer_of_an_unknown_kind_is_refused(kind: int) -> None:
    with pytest.raises(LookupError):
        answer_in(AnswerFrame(1, kind))


def test_frames_before_the_one_that_is_refused_are_read() -> None:
    stream = encode(ReadFrame(1, "a")) + encode(ReadFrame(2, "b")) + as_frame(b"\xc1")
    arrived: list[Frame] = []
    with pytest.raises(ValueError):  # noqa: PT011
        arrived.extend(FrameReader().feed(stream))
    reader = FrameReader().feed(stream)
    assert [next(reader), next(reader)] == [ReadFrame(1, "a"), ReadFrame(2, "b")]
