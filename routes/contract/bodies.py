"""What clients send: one model for every body and every query of the API.

Rule: a model checks all that can be checked without looking anything up; what depends on the
event's state or on another row is refused by `decide` or by the statement that would write it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from evently.domain.holdbacks import HOLDBACKS_MAX
from evently.domain.text import fold
from routes.contract.fields import (
    INT32_MAX,
    LIMIT_DEFAULT,
    Amount,
    Body,
    Currency,
    DateFrom,
    DateTo,
    Instant,
    Layout,
    Limit,
    Page,
    Positive,
    Price,
    Query,
    Uuid,
    Version,
    VersionParameter,
)
from routes.contract.id_lists import IDS_MAX, Ids
from routes.contract.refusal import refusal
from routes.contract.texts import (
    BLANK_IS_ABSENT,
    Address,
    Description,
    EventType,
    HoldbackName,
    Name,
    OptionalFilter,
    OptionalPlace,
    OptionalPostal,
    Place,
)
from routes.contract.zones import OptionalZone

MAX_TICKETS_DEFAULT = 10
UpdatableStatus = Literal["draft", "published", "sold_out", "cancelled", "completed"]


def _not_zero(quantity: int) -> int:
    if quantity == 0:
        raise refusal("must not be 0: negative reserves seats, positive returns them")
    return quantity


def _version_or_any(given: Any) -> Any:
    if given != "*" and (isinstance(given, bool) or not isinstance(given, int)):
        raise refusal('must be the event\'s version as a JSON integer, or "*" for any')
    return given


Quantity = Annotated[
    int,
    Field(
        ge=-INT32_MAX,
        le=INT32_MAX,
        description="Not 0: negative reserves, positive returns",
        examples=[-2],
        json_schema_extra={"format": "int32", "not": {"const": 0}},
    ),
    AfterValidator(_not_zero),
]
VersionOrAny = Annotated[
    Version | Literal["*"],
    BeforeValidator(_version_or_any),
    Field(description='The event\'s version as it was read, or "*" for any', examples=[42]),
]
OnConflict = Annotated[
    Literal["fail", "retry"],
    Field(
        description="What to do about a stale version: `retry` applies the move to the current"
        " one, if nothing but the seat count has changed since"
    ),
]


OnEditConflict = Annotated[
    Literal["fail", "retry"],
    Field(
        description="What to do about a stale version: `retry` goes on if no admin has changed the"
        " event since, whatever seats have been sold, held or returned"
    ),
]
Paused = Annotated[bool, Field(description="Whether sales are stopped for the time being")]
SalesStart = Annotated[
    Instant | None,
    Field(description="When sales open; null: as soon as the event is published"),
]
SalesEnd = Annotated[
    Instant | None,
    Field(description="When sales close, `end_datetime` at the latest; null: at `start_datetime`"),
]


class SeatMove(Body):
    """A change of an event's available seats: negative reserves, positive returns."""

    cacheable: ClassVar[bool] = True
    quantity: Quantity
    version: VersionOrAny
    on_conflict: OnConflict = "fail"
    amount: Amount = None
    holdback: Annotated[
        HoldbackName | None,
        Field(
            description="The name of a block, in any case: seats are reserved from it, and not from"
            " the free ones. Seats that come back are free ones",
            examples=["Press"],
        ),
    ] = None

    @field_validator("holdback")
    @classmethod
    def _is_sold_from(cls, holdback: str | None, info: ValidationInfo) -> str | None:
        if holdback is not None and info.data.get("quantity", -1) > 0:
            raise refusal("must be left out where seats are returned: they are free ones then")
        return holdback


class SeatReturn(Body):
    """Seats that come back, as a positive number."""

    cacheable: ClassVar[bool] = True
    quantity: Positive
    version: VersionOrAny
    on_conflict: OnConflict = "fail"
    amount: Amount = None
    # What is returned is free, whatever block it was sold from.
    holdback: ClassVar[None] = None


class NewHoldback(Body):
    """A block of seats to be kept back from sale."""

    name: HoldbackName
    quantity: Annotated[int, Field(ge=0, le=INT32_MAX, json_schema_extra={"format": "int32"})]
    release_at: Annotated[
        Instant | None, Field(description="When its seats become free ones; null: never")
    ] = None


def _named_once(blocks: list[NewHoldback]) -> list[NewHoldback]:
    names: set[str] = set()
    for block in blocks:
        folded = fold(block.name)
        if folded in names:
            raise refusal(f"must name {block.name} once, in whatever case")
        names.add(folded)
    return blocks


NewHoldbacks = Annotated[
    list[NewHoldback],
    Field(
        max_length=HOLDBACKS_MAX,
        description="All blocks that are kept back from sale: the list replaces what was kept back"
        " before. Their names differ by more than case",
    ),
    AfterValidator(_named_once),
]


class NewEvent(Body):
    """An event to be created, as a draft."""

    arrays: ClassVar[Mapping[str, type[Body]]] = {"holdbacks": NewHoldback}
    name: Name
    description: Description = ""
    venue_id: Uuid
    event_type: EventType
    start_datetime: Instant
    end_datetime: Instant
    total_capacity: Positive
    base_price: Price
    max_tickets_per_booking: Positive = MAX_TICKETS_DEFAULT
    sales_start: SalesStart = None
    sales_end: SalesEnd = None
    paused: Paused = False
    currency: Currency | None = None
    holdbacks: NewHoldbacks = Field(default_factory=list)

    @field_validator("end_datetime")
    @classmethod
    def _ends_after_start(cls, end: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start_datetime")
        if start is not None and end <= start:
            raise refusal("must be after start_datetime")
        return end


def _not_null(given: Any) -> Any:
    if given is None:
        raise refusal("must be a JSON integer, or left out")
    return given


class EventChanges(Body):
    """Changes of an event; fields that are left out stay as they are."""

    # The version, and something to change.
    model_config = ConfigDict(json_schema_extra={"minProperties": 2})
    arrays: ClassVar[Mapping[str, type[Body]]] = {"holdbacks": NewHoldback}
    version: Version
    name: Name | None = None
    description: Description | None = None
    venue_id: Uuid | None = None
    event_type: EventType | None = None
    start_datetime: Instant | None = None
    end_datetime: Instant | None = None
    total_capacity: Positive | None = None
    base_price: Price | None = None
    max_tickets_per_booking: Positive | None = None
    sales_start: SalesStart = None
    sales_end: SalesEnd = None
    paused: Paused | None = None
    currency: Currency | None = None
    status: UpdatableStatus | None = None
    # Not written, so it may come back as it was read, and nothing else.
    available_seats: Annotated[
        int | None, BeforeValidator(_not_null), Field(json_schema_extra={"readOnly": True})
    ] = None
    holdbacks: NewHoldbacks | None = None
    on_conflict: OnEditConflict = "fail"

    @field_validator("on_conflict")
    @classmethod
    def _replaces_what_was_read(cls, on_conflict: str, info: ValidationInfo) -> str:
        if on_conflict == "retry" and info.data.get("holdbacks") is not None:
            raise refusal("must be fail with holdbacks: the list replaces the one at `version`")
        return on_conflict


class Cancellation(Body):
    """The version of the event that is to be cancelled."""

    version: Version
    on_conflict: OnEditConflict = "fail"


class NewVenue(Body):
    """A venue to be created."""

    name: Name
    address: Address
    city: Place
    state: OptionalPlace = None
    country: Place
    postal_code: OptionalPostal = None
    capacity: Positive
    layout_config: Layout | None = None
    timezone: OptionalZone = None


class VenueChanges(Body):
    """Changes of a venue; fields that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    name: Name | None = None
    address: Address | None = None
    city: Place | None = None
    state: OptionalPlace = None
    country: Place | None = None
    postal_code: OptionalPostal = None
    capacity: Positive | None = None
    layout_config: Layout | None = None
    timezone: OptionalZone = None


# RFC 5321 bounds the length; the shape is only what a typing error would break.
CITY = "Only in this city: its whole name, in any case"


class Paging(Query):
    """Which part of a list."""

    page: Page = 1
    limit: Limit = LIMIT_DEFAULT

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.page - 1) * self.limit


def ends_after_it_begins(until: datetime | None, info: ValidationInfo) -> datetime | None:
    """Validate a `date_to` beside its `date_from`."""
    since = info.data.get("date_from")
    if since is not None and until is not None and since >= until:
        raise refusal("must not be before date_from")
    return until


class EventListQuery(Paging):
    """Filters of the public list."""

    type: Annotated[OptionalFilter, Field(description="Only this event_type, in any case")] = None
    event_type: Annotated[OptionalFilter, Field(description="The same as `type`")] = None
    city: Annotated[OptionalFilter, Field(description=CITY)] = None
    date_from: Annotated[DateFrom | None, BLANK_IS_ABSENT] = None
    date_to: Annotated[DateTo | None, BLANK_IS_ABSENT] = None
    ids: Annotated[Ids | None, BLANK_IS_ABSENT] = None

    @model_validator(mode="before")
    @classmethod
    def _shows_all_that_are_named(cls, given: Any) -> Any:
        """Events that are named fit on one page: where no limit is given, all of them are shown."""
        named = isinstance(given, dict) and isinstance(given.get("ids"), str)
        if named and given["ids"].strip() and "limit" not in given:
            return {**given, "limit": str(IDS_MAX)}
        return given

    @field_validator("event_type")
    @classmethod
    def _is_the_type(cls, event_type: str | None, info: ValidationInfo) -> str | None:
        asked = info.data.get("type")
        if asked and event_type and fold(asked) != fold(event_type):
            raise refusal("must not differ from type")
        return event_type

    _date_to = field_validator("date_to")(ends_after_it_begins)


class AdminEventListQuery(Paging):
    """Filters of an admin's own list."""

    status: Annotated[
        UpdatableStatus | None,
        BLANK_IS_ABSENT,
        Field(description="Only events with this status now"),
    ] = None
    search: Annotated[
        OptionalFilter,
        Field(description="Any part of the event's name, its venue's or its city, in any case"),
    ] = None
    date_from: Annotated[DateFrom | None, BLANK_IS_ABSENT] = None
    date_to: Annotated[DateTo | None, BLANK_IS_ABSENT] = None
    attention: Annotated[
        Literal["true", "false"] | None,
        BLANK_IS_ABSENT,
        Field(
            description="`true`: only drafts whose start has passed or is less than a day away, and"
            " published events whose sales open or that start within a day, that go on now, whose"
            " sales are paused or have closed with seats left, that are sold out with seats kept"
            " back, or that have few left (10 or 5%)"
        ),
    ] = None
    order: Annotated[
        Literal["start", "-start"] | None,
        BLANK_IS_ABSENT,
        Field(description="By start, the earliest first (`start`) or the latest (`-start`)"),
    ] = None

    _date_to = field_validator("date_to")(ends_after_it_begins)

    @property
    def narrowed(self) -> bool:
        """Whether more is asked of the list than a status."""
        found = (self.search, self.date_from, self.date_to)
        return self.attention == "true" or self.order == "-start" or any(found)


class VenueListQuery(Paging):
    """Filters of the venues."""

    city: Annotated[OptionalFilter, Field(description=CITY)] = None
    search: Annotated[
        OptionalFilter, Field(description="Any part of name, address or city, in any case")
    ] = None


class CancellationQuery(Query):
    """The version to cancel, for clients that send no body with DELETE."""

    version: VersionParameter | None = None
    on_conflict: OnEditConflict = "fail"
