"""What a Feast registry is to the code that changes definitions.

A session reads and writes inside one transaction of whichever registry it is.
Writing keeps Feast's version history honest: the number in a view's `meta` is
the number under which the history has this very definition.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from trilock.server.planes.feast import protos
from trilock.server.planes.feast.definitions import Key, definition_bytes

PLANE: Final = "the Feast registry"


class RegistrySession(Protocol):
    """A registry inside one transaction."""

    def projects(self) -> tuple[str, ...]:
        """Return the names of all projects, sorted."""
        ...

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """Return the raw protos of *project*, all of them or those in *only* that are there."""
        ...

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """Insert or replace the objects of *project*, making the project if need be.

        The messages are completed in place: `meta` gets the version's number.
        """
        ...

    def remove(self, project: str, keys: Collection[Key]) -> None:
        """Delete the objects, their history, and the project when nothing is left in it."""
        ...


class Registry(Protocol):
    """A registry: sessions are the only way in."""

    def reading(self) -> AbstractContextManager[RegistrySession]:
        """Yield a session that sees one moment, an empty one if there is no registry yet.

        Raises:
            PlaneUnavailableError: It does not answer.
        """
        ...

    def writing(self, project: str) -> AbstractContextManager[RegistrySession]:
        """Yield a session that is the only one of trilock to write *project*.

        What it reads of *project* is locked until the end. Nothing stays of a
        session that ends with an exception.

        Raises:
            PlaneUnavailableError: It does not answer; nothing was changed.
            LostRaceError: Somebody else wrote the same objects; nothing was changed.
            PreconditionError: It refuses; nothing was changed.
        """
        ...

    def close(self) -> None:
        """Let go of connections that are not in use."""
        ...


class EmptySession:
    """Implements RegistrySession for a registry that nobody made yet."""

    def projects(self) -> tuple[str, ...]:
        """See RegistrySession."""
        return ()

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """See RegistrySession."""
        del project, only
        return {}

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """Refuse: it is for reading."""
        raise AssertionError(f"a session for reading was asked to write {project}: {messages}")

    def remove(self, project: str, keys: Collection[Key]) -> None:
        """Do nothing: there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One entry of Feast's version history."""

    kind: str
    name: str
    number: int
    proto: bytes


def number_versions(
    messages: Mapping[Key, Any], *, history: Collection[Version]
) -> tuple[Version, ...]:
    """Give every view the number that its definition has in *history*, or the next one.

    Returns:
        What has to be added to the history.
    """
    added: list[Version] = []
    for (kind, name), message in sorted(messages.items()):
        if not protos.kinds()[kind].is_view:
            continue
        known = {version.number: version for version in history if version.name == name}
        definition = definition_bytes(kind, message.SerializeToString())
        same = [
            number
            for number, version in known.items()
            if version.kind == kind and definition_bytes(kind, version.proto) == definition
        ]
        number = max(same) if same else max(known, default=-1) + 1
        if "current_version_number" in message.meta.DESCRIPTOR.fields_by_name:
            message.meta.current_version_number = number
        if not same:
            proto = message.SerializeToString()
            added.append(Version(kind=kind, name=name, number=number, proto=proto))
    return tuple(added)
