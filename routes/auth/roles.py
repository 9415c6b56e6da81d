"""What each role of an admin allows.

Rule: permissions follow from the role, here and nowhere else; a client cannot name them.
"""

from collections.abc import Mapping

EVENT_MANAGER, ADMIN, SUPER_ADMIN = "event_manager", "admin", "super_admin"

_OWN_EVENTS = ("events:create", "events:read_own", "events:update_own", "events:cancel_own")
_VENUES = ("venues:create", "venues:read", "venues:update", "venues:delete")

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    EVENT_MANAGER: (*_OWN_EVENTS, *_VENUES),
    ADMIN: (*_OWN_EVENTS, *_VENUES, "admins:register"),
    SUPER_ADMIN: (
        *_OWN_EVENTS,
        *_VENUES,
        "admins:register",
        "admins:register_super_admin",
        "events:any_owner",
    ),
}
