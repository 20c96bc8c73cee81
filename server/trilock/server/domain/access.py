"""Principals and what they may do."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from trilock.server.domain.errors import InvalidNameError, PermissionDeniedError

_PRINCIPAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")


def principal_name(text: str) -> str:
    """Return *text* as the name of a principal.

    Raises:
        InvalidNameError: It is not one.
    """
    if not _PRINCIPAL.fullmatch(text):
        raise InvalidNameError(kind="principal", value=text, pattern=_PRINCIPAL.pattern)
    return text


class Role(StrEnum):
    """One kind of thing a principal may do. A role that may roll back need not promote."""

    SERVE = "serve"
    """Resolve, watch, read."""
    CHECK = "check"
    """Check and plan."""
    RECORD = "record"
    """Capture feature schemas, record bundles."""
    ROLLBACK = "rollback"
    """Roll back, hold, cancel."""
    PROMOTE = "promote"
    """Promote, finalize, feed features, register sinks, lift holds, set policies, waive,
    settle drift, restore outputs."""
    ADMIN = "admin"
    """All of the above, and tokens."""


_LOOKING = frozenset({Role.SERVE, Role.CHECK})
_IMPLYING = frozenset({Role.RECORD, Role.ROLLBACK, Role.PROMOTE, Role.CHECK})
"""Whoever may change things may look at them first."""


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
        if role in self.roles:
            return  # what nearly every call is about: it costs nothing more
        implied = role in _LOOKING and self.roles & _IMPLYING
        if not (Role.ADMIN in self.roles or implied):
            raise PermissionDeniedError(
                principal=self.name, roles=sorted(self.roles), needed=role.value
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The right of one principal, without its secret."""

    principal: str
    roles: frozenset[Role]
    created: datetime | None
    """None for one that is in the settings."""
    creator: str
    sha256: str
    """Digest of the secret: all that the server knows of it."""

    @property
    def in_settings(self) -> bool:
        """Whether only a person with the settings file can change it."""
        return self.created is None
