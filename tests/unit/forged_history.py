"""A history that is right, with the ledger of its event, for tests that doctor one of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.chaos.checker import check
from tests.chaos.findings import Verdict
from tests.chaos.history import AdminChange, Attempt, End, History, Move, Read, Told
from tests.chaos.ledger import FOREIGN, EventLedger, EventRow, Row

EVENT = "e"
SEATS = 10
EPOCH_S = 1000.0
PRICE, NEW_PRICE = Decimal(10), Decimal(12)


def at(seconds: float) -> str:
    """A time of the history, as an answer tells it."""
    return datetime.fromtimestamp(EPOCH_S + seconds, UTC).isoformat()


@dataclass
class Played:
    """What clients did at an event of ten seats, and what its ledger holds."""

    history: History
    event: EventRow
    rows: list[Row]

    @property
    def ledger(self) -> EventLedger:
        return EventLedger(EVENT, self.event, self.rows)

    @property
    def price(self) -> Decimal:
        return self.ledger.terms_at(self.event.version).price

    def check(self) -> Verdict:
        return check(self.history, {EVENT: self.ledger})

    def move(self, key: str) -> Move:
        return next(move for move in self.history.moves if move.key == key)

    def row(self, version: int, /, **changes: Any) -> None:
        """Doctor a ledger row."""
        self.rows[version - 1] = replace(self.rows[version - 1], **changes)

    def write(self, key: str, seat_delta: int, at_s: float, **over: Any) -> Row:
        """A further version, as the service would commit it."""
        event = self.event
        left = event.available_seats + seat_delta
        money = -seat_delta * self.price
        if seat_delta > 0:
            share = event.revenue * seat_delta / max(event.sold, seat_delta)
            money = -share.quantize(Decimal("0.01"))
        kind = "reserved" if seat_delta < 0 else "returned"
        row = Row(
            event.version + 1, kind, seat_delta, 0, left, "published" if left else "sold_out", key,
            f"request of {key}", "booking", EPOCH_S + at_s, money_delta=money,
        )  # fmt: skip
        row = replace(row, **over)
        self.rows.append(row)
        self.event = replace(
            event,
            version=row.version,
            available_seats=left,
            status=row.status,
            held_seats=event.held_seats + row.held_delta,
            held_back_seats=event.held_back_seats + row.held_back_delta,
            revenue=event.revenue + row.money_delta,
        )
        return row

    def done(self, key: str, quantity: int, at_s: float, version: Any = "*", **over: Any) -> Move:
        """A move that was committed and answered; `over` is what its row has beside its seats."""
        seat_delta = over.pop("seat_delta", quantity)
        kind = "reserved" if quantity < 0 else "returned"
        row = self.write(key, seat_delta, at_s, **{"kind": kind, **over})
        told = {
            "version": row.version, "available_seats": row.available_seats, "status": row.status,
            "unit_price": float(self.price),
        }  # fmt: skip
        attempt = Attempt(row.request_id, at_s, at_s + 0.01, End.OK, None, told)
        move = Move(EVENT, key, quantity, version, attempts=[attempt])
        self.history.moves.append(move)
        return move

    def tried(
        self, key: str, quantity: int, end: End, at_s: float, code: str | None = None, **told: Any
    ) -> Move:
        """A move that was tried once, with another end."""
        attempt = Attempt(uuid4().hex, at_s, at_s + 0.01, end, code, told)
        move = Move(EVENT, key, quantity, "*", attempts=[attempt])
        self.history.moves.append(move)
        return move

    def changed(self, name: str, at_s: float, seat_delta: int = 0, **changes: Any) -> AdminChange:
        """An admin's change that was committed, answered, and told of."""
        row = self.write(
            name, seat_delta, at_s, kind="updated", description=name, changes=changes,
            caller="admin", money_delta=Decimal(0), held_back_delta=-seat_delta,
        )  # fmt: skip
        change = AdminChange(EVENT, name, at_s, at_s + 0.1, End.OK, row.version, wanted=changes)
        self.history.changes.append(change)
        self.history.told.append(Told(EVENT, row.version, "updated", row.available_seats))
        return change

    def read(self, version: int, sent_s: float) -> Read:
        row = self.rows[version - 1]
        seats, status = row.available_seats, row.status
        read = Read(EVENT, sent_s, sent_s + 0.01, version, seats, status)
        self.history.reads.append(read)
        return read


def published() -> Played:
    """Created and published."""
    history = History(epoch_s=EPOCH_S)
    created = Row(
        1, "created", 0, SEATS, SEATS, "draft", "k1", "r1", "admin", EPOCH_S,
        changes={"base_price": PRICE},
    )  # fmt: skip
    published = replace(
        created, version=2, kind="published", capacity_delta=0, key="k2", request_id="r2",
        status="published", recorded_s=EPOCH_S + 1, changes={},
    )  # fmt: skip
    return Played(history, EventRow(2, SEATS, SEATS, "published"), [created, published])


def sold() -> Played:
    """4 sold, 6 sold, a refusal, 2 returned, a new price, sold by another, read."""
    played = published()
    played.done("four", -4, 10.0)
    played.done("six", -6, 20.0, version=3)
    played.tried("none left", -1, End.FAILED, 25.0, "INSUFFICIENT_SEATS", available=0)
    played.done("back", 2, 30.0)
    played.changed("new", 40.0, base_price=NEW_PRICE)
    played.row(6, terms=["base_price"])
    played.write("foreign-1", -1, 50.0, caller=FOREIGN)
    played.read(7, 60.0)
    played.history.told = [
        Told(EVENT, 4, "sold_out", 0),
        Told(EVENT, 5, "reopened", 2),
        Told(EVENT, 5, "reopened", 2),
        Told(EVENT, 6, "updated", 2),
    ]
    return played


def kinds(verdict: Verdict) -> set[str]:
    """What sorts of violations there are."""
    return {violation.kind for violation in verdict.violations}
