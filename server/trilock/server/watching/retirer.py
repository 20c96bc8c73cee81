"""Remove the feature projects that no release has needed for long, again and again.

Never one that is needed: who retires holds a lease on the project, looks again
once it has it, and whoever wants to deploy there, or to go back there, meanwhile
finds the lease.
"""

import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import ModelName, model_name
from trilock.server.domain.ports import Connections, Planes
from trilock.server.operations.history import lock_rollbacks
from trilock.server.operations.steps.deploy_features import retirement_scope
from trilock.server.store.database import Database
from trilock.server.store.feature_needs import bundled_schemas, needs
from trilock.server.store.releases import list_live
from trilock.server.store.schemas import get_schema
from trilock.server.watching.regular import Regular
from trilock.server.workers.lease import Leases

_FIRST_SECONDS: Final = 60.0
"""Before the first look: a server that starts has something better to do."""

_INTERVAL_SECONDS: Final = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """What became of one project that is there and that no release reads."""

    schema: FeatureSchema
    needed_until: datetime
    due: datetime
    """From when on it is retired."""
    retired: bool = False
    remains: tuple[str, ...] = ()
    """What of it could not be removed, one line each."""
    error: str = ""
    """Why it was not removed, though its time has come."""


def retire(
    database: Database,
    connections: Connections,
    *,
    model: ModelName | None,
    now: datetime,
    due_only: bool = False,
    validate_only: bool = False,
) -> tuple[Retirement, ...]:
    """Remove what no release has needed for as long as the settings say.

    What fails for one project keeps no other from being removed.

    Args:
        database: Where it is known what is needed.
        connections: Where projects are.
        model: Only this model's projects; None for all.
        now: What is due by then is removed.
        due_only: Look at nothing else.
        validate_only: Remove nothing.

    Returns:
        Every project that is there and not needed, sorted by project.

    Raises:
        UnknownConnectionError: The settings have no such model.
    """
    models = [model] if model else [model_name(name) for name in connections.models()]
    found: dict[str, Retirement] = {}
    for owner in models:
        planes = connections.planes(owner)
        for schema, until in _unneeded(database, model=owner):
            due = until + planes.filling.retire_after
            if schema.project in found or (due_only and due > now):
                continue
            one = Retirement(schema=schema, needed_until=until, due=due)
            try:
                if planes.features.definition(schema.capture, project=schema.project) is None:
                    continue  # retired before, or never deployed
                if due <= now:
                    one = (
                        replace(one, retired=True)
                        if validate_only
                        else _retire(database, planes, one)
                    )
            except TrilockError as error:
                one = replace(one, error=str(error))
            found[schema.project] = one
    return tuple(found[project] for project in sorted(found))


def _unneeded(database: Database, *, model: ModelName) -> Iterator[tuple[FeatureSchema, datetime]]:
    with database.read() as session:
        known = needs(session)
        schemas = [
            (get_schema(session, ref), until)
            for ref in bundled_schemas(session, model)
            if (until := known[ref]) is not None
        ]
    yield from schemas


def _retire(database: Database, planes: Planes, retirement: Retirement) -> Retirement:
    schema = retirement.schema
    leases = Leases(database, owner=f"retire-{uuid.uuid4().hex[:8]}")
    with database.write() as session:
        lease = leases.claim(session, retirement_scope(schema.project))
    if lease is None:
        return replace(retirement, error="somebody else is removing it")
    with leases.kept(lease):
        try:
            with database.write() as session:
                # Who goes back there either is seen here, or finds the lease.
                for live in sorted(list_live(session), key=lambda row: str(row.alias)):
                    lock_rollbacks(session, live.alias)
                if needs(session)[schema.ref] != retirement.needed_until:
                    return replace(retirement, error="it has come to be needed again")
            remains = planes.features.retire(schema.capture, project=schema.project)
            return replace(retirement, retired=True, remains=remains)
        finally:
            with leases.fenced(lease) as session:
                leases.free(session, lease)


class Retirer(Regular):
    """A thread that retires what is due."""

    def __init__(
        self,
        database: Database,
        connections: Connections,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Do nothing yet.

        Args:
            database: Where it is known what is needed.
            connections: Where projects are, and for how long they are kept.
            clock: The time.
        """
        self._database = database
        self._connections = connections
        self._clock = clock
        super().__init__(
            "retirer",
            self.retire_due,
            every=_INTERVAL_SECONDS,
            first=_FIRST_SECONDS,
            unknown="nothing was retired",
        )

    def retire_due(self) -> tuple[Retirement, ...]:
        """Retire once what is due; a model whose store is in trouble holds up no other."""
        done: list[Retirement] = []
        for name in self._connections.models():
            try:
                done += retire(
                    self._database,
                    self._connections,
                    model=model_name(name),
                    now=self._clock(),
                    due_only=True,
                )
            except TrilockError as error:
                _log.warning("no feature project of %s was retired: %s", name, error)
        for each in done:
            for line in (
                f"not retired now: {each.error}" if each.error else "retired",
                *each.remains,
            ):
                _log.info("Feast project %s: %s", each.schema.project, line)
        return tuple(done)
