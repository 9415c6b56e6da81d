"""Every endpoint of the service, in the order in which the document shows them.

Rule: what is not listed here does not exist.
"""

from routes.console import pages
from routes.endpoint import Endpoint
from routes.handlers import (
    accounts,
    admin_events,
    auth,
    bulk_moves,
    changes,
    documentation,
    events,
    holds,
    inventory,
    listings,
    monitoring,
    reports,
    seats,
    venues,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *auth.ENDPOINTS,
    *accounts.ENDPOINTS,
    *listings.ENDPOINTS,
    *events.ENDPOINTS,
    *admin_events.ENDPOINTS,
    *reports.ENDPOINTS,
    *inventory.ENDPOINTS,
    *venues.ENDPOINTS,
    *seats.ENDPOINTS,
    *bulk_moves.ENDPOINTS,
    *changes.ENDPOINTS,
    *holds.ENDPOINTS,
    *monitoring.ENDPOINTS,
    *documentation.ENDPOINTS,
    *pages.ENDPOINTS,
)
