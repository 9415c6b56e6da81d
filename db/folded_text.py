"""Brings the folded columns up to their texts.

The service writes a text and its folded form together. This is for what something else has written:
an earlier release while this one is rolled out, or somebody by hand.

An event's name is folded where it has no folded form: to compare every name would hold up each
start for seconds where there are a million events. So whoever renames an event by hand sets
`name_folded` to null; and an event that an earlier release renames during the rollout is found by
its former name until it is renamed again.

Rule: it may run beside the service and beside itself. It writes little at a time, waits for no
event that is being written, and folds a text only if it is still the one that was read.
"""

import asyncio
import logging
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from db.admin_store import EMAIL_ONCE
from db.database import Session
from db.ledger_rows import columns
from db.statements import Statement
from db.venue_store import folded_texts
from evently.domain.text import fold, fold_case

log = logging.getLogger(__name__)

# Rows of one statement: some milliseconds, so that a seat move waits no longer for an event.
PAGE_ROWS = 1000
# Fewer where rows are joined with arrays: a plan for arrays of any length compares all with all.
NAMES_ROWS = 200
# Between two tries for events that others are writing: longer than a commit takes.
PAUSE_S = 0.1
# Tries that fold nothing before the rest is left to the next start: as long as a pause of sales
# of a second, for events that a stuck transaction holds.
FRUITLESS_MAX = 10

_NO_ID = UUID(int=0)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


async def fold_texts(session: Session) -> int:
    """Fold what is not folded or wrongly so; how many rows that were."""
    return (
        await _fold_event_types(session)
        + await _fold_event_names(session)
        + await _fold_venues(session)
        + await _fold_emails(session)
    )


async def _fold_event_types(session: Session) -> int:
    done = 0
    for row in await session.fetch(Statement.LIST_EVENT_TYPES):
        folded = fold(row["event_type"])
        if row["event_type_folded"] != folded:
            done += await _fold_event_type(session, row["event_type"], folded)
    return done


async def _fold_event_type(session: Session, event_type: str, folded: str) -> int:
    done = fruitless = 0
    left_over = 1
    while left_over and fruitless < FRUITLESS_MAX:
        row = await session.fetchrow(Statement.FOLD_EVENT_TYPE, event_type, folded, PAGE_ROWS)
        assert row is not None, "the statement returns one row, always"
        done, left_over = done + row["folded"], row["left_over"]
        if left_over and not row["folded"]:
            fruitless += 1
            await asyncio.sleep(PAUSE_S)
    if left_over:
        log.warning(
            "%d events of type %r are locked, and not found by it until they are folded",
            left_over,
            event_type,
        )
    return done


async def _fold_event_names(session: Session) -> int:
    done = fruitless = 0
    while page := await session.fetch(Statement.PAGE_UNFOLDED_NAMES, NAMES_ROWS):
        rows = [(row["event_id"], row["name"], fold(row["name"])) for row in page]
        folded = len(await session.fetch(Statement.FOLD_EVENT_NAMES, *columns(rows)))
        done += folded
        if not folded:
            fruitless += 1
            if fruitless >= FRUITLESS_MAX:
                log.warning(
                    "%d events are locked, and not found by name until they are folded", len(page)
                )
                break
            await asyncio.sleep(PAUSE_S)
    return done


async def _fold_venues(session: Session) -> int:
    done, last = 0, _NO_ID
    while page := await session.fetch(Statement.PAGE_VENUE_TEXTS, last, PAGE_ROWS):
        last = page[-1]["venue_id"]
        wrong = []
        for venue_id, name, address, city, *stored in page:
            folded = folded_texts(name, address, city)
            if tuple(stored) != folded:
                wrong.append((venue_id, name, address, city, *folded))
        if wrong:
            await session.execute(Statement.FOLD_VENUES, *columns(wrong))
        done += len(wrong)
    return done


async def _fold_emails(session: Session) -> int:
    done, last = 0, (_LONG_AGO, _NO_ID)
    while page := await session.fetch(Statement.PAGE_EMAILS, *last, PAGE_ROWS):
        last = (page[-1]["created_at"], page[-1]["admin_id"])
        for row in page:
            folded = fold_case(row["email"])
            if row["email_folded"] != folded:
                done += await _fold_email(session, row, folded)
    return done


async def _fold_email(session: Session, row: asyncpg.Record, folded: str) -> bool:
    try:
        await session.execute(Statement.FOLD_EMAIL, row["admin_id"], row["email"], folded)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != EMAIL_ONCE:
            raise
        log.warning(
            "admin %s has the email of an older admin but for its case; it is found exactly as it"
            " is written",
            row["admin_id"],
        )
        return False
    return True
