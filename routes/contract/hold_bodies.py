"""What clients send about holds.

Rule: as in `bodies`, a model checks all that can be checked without looking anything up.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from evently.domain.holds import DURATION_DEFAULT_S, DURATION_MIN_S, LIFE_MAX_S
from routes.contract.bodies import OnConflict, VersionOrAny
from routes.contract.fields import LIMIT_DEFAULT, After, Body, Limit, Positive, Price, Query
from routes.contract.texts import BLANK_IS_ABSENT, OptionalReference, OptionalReferenceFilter

HoldDuration = Annotated[
    int,
    Field(
        ge=DURATION_MIN_S,
        le=LIFE_MAX_S,
        description="How long the seats are kept, in seconds from now",
        json_schema_extra={"format": "int32"},
    ),
]


class NewHold(Body):
    """Seats to be kept for a buyer."""

    cacheable: ClassVar[bool] = True
    quantity: Positive
    duration_s: HoldDuration = DURATION_DEFAULT_S
    reference: OptionalReference = None
    version: VersionOrAny = "*"
    on_conflict: OnConflict = "fail"


class HoldChange(Body):
    """Another number of seats, more time from now on, or both."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    quantity: Positive | None = None
    duration_s: HoldDuration | None = None


class Confirmation(Body):
    """What the buyer has paid in total, and what to do if the hold has expired."""

    cacheable: ClassVar[bool] = True
    amount: Annotated[
        Price | None, Field(description="In total; without it, what the seats cost when held")
    ] = None
    late: Annotated[
        Literal["retake", "refuse"],
        Field(
            description="`retake` sells the seats of an expired hold if they are still free;"
            " `refuse` does not"
        ),
    ] = "retake"


class HoldListQuery(Query):
    """Which holds of an event."""

    status: Annotated[
        Literal["held", "confirmed", "released", "expired"] | None,
        BLANK_IS_ABSENT,
        Field(description="Only holds with this status now"),
    ] = None
    reference: Annotated[
        OptionalReferenceFilter, Field(description="Only this booking's holds")
    ] = None
    limit: Limit = LIMIT_DEFAULT
    after: Annotated[After | None, BLANK_IS_ABSENT] = None
