"""An admin whose token was accepted.

Rule: whoever holds one has passed authentication; what they may do follows from their role.
"""


class Admin:
    """An authenticated admin: `admin_id` is a canonical UUID, `permissions` follow from `role`."""

    __slots__ = ("admin_id", "permissions", "role")

    def __init__(self, admin_id: str, role: str, permissions: tuple[str, ...]) -> None:
        self.admin_id = admin_id
        self.role = role
        self.permissions = permissions

    @property
    def any_owner(self) -> bool:
        """Whether this admin may see and change other admins' events."""
        return self.role == "super_admin"

    @property
    def caller(self) -> str:
        """The name that the ledger and the log record."""
        return f"admin:{self.admin_id}"
