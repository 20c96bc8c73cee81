"""Principals and what they may do."""

from dataclasses import dataclass
from enum import StrEnum

from trilock.server.domain.errors import PermissionDeniedError


class Role(StrEnum):
    """One kind of thing a principal may do. A role that may roll back need not promote."""

    SERVE = "serve"
    """Resolve, watch, read."""
    CHECK = "check"
    """Check and plan."""
    RECORD = "record"
    """Capture feature schemas, record bundles."""
    ROLLBACK = "rollback"
    """Roll back, cancel."""
    PROMOTE = "promote"
    """Promote, finalize, feed features, register sinks, lift holds."""
    ADMIN = "admin"
    """All of the above, and tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who calls: the "who" in history."""

    name: str
    roles: frozenset[Role]

    def require(self, role: Role) -> None:
        """Do nothing if the principal has *role*.

        Raises:
            PermissionDeniedError: It has not.
        """
        # Whoever may change things may look at them first.
        implied = role in {Role.SERVE, Role.CHECK} and self.roles & {
            Role.RECORD,
            Role.ROLLBACK,
            Role.PROMOTE,
            Role.CHECK,
        }
        if not (role in self.roles or Role.ADMIN in self.roles or implied):
            raise PermissionDeniedError(
                principal=self.name, roles=sorted(self.roles), needed=role.value
            )
