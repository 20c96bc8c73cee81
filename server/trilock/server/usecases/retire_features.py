"""Remove the feature projects that no release has needed for long.

Never one that is needed: who retires holds a lease on the project, looks again
once it has it, and whoever wants to deploy there meanwhile waits for the lease.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import ModelName, model_name
from trilock.server.domain.ports import Planes
from trilock.server.operations.steps.deploy_features import retirement_scope
from trilock.server.store.feature_needs import bundled_schemas, needed_until
from trilock.server.store.schemas import get_schema
from trilock.server.usecases.runtime import Runtime
from trilock.server.workers.lease import Leases


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


def retire_features(
    runtime: Runtime, *, model: ModelName | None, validate_only: bool, now: datetime | None = None
) -> tuple[Retirement, ...]:
    """Remove what no release has needed for as long as the settings say.

    What fails for one project keeps no other from being removed.

    Args:
        runtime: What to work on.
        model: Only this model's projects; None for all.
        validate_only: Remove nothing.
        now: For tests; by default the clock's time.

    Returns:
        Every project that is there and not needed, sorted by project.

    Raises:
        UnknownConnectionError: The settings have no such model.
    """
    now = now or datetime.now(UTC)
    models = [model] if model else [model_name(name) for name in runtime.connections.models()]
    found: dict[str, Retirement] = {}
    for owner in models:
        planes = runtime.connections.planes(owner)
        for retirement in _unneeded(runtime, planes, model=owner):
            due = retirement.due <= now and not retirement.error
            found.setdefault(
                retirement.schema.project,
                _retire(runtime, planes, retirement)
                if due and not validate_only
                else replace(retirement, retired=due),
            )
    return tuple(found[project] for project in sorted(found))


def _unneeded(runtime: Runtime, planes: Planes, *, model: ModelName) -> Iterator[Retirement]:
    with runtime.database.read() as session:
        schemas = [
            (get_schema(session, ref), until)
            for ref in bundled_schemas(session, model)
            if (until := needed_until(session, ref)) is not None
        ]
    for schema, until in schemas:
        retirement = Retirement(
            schema=schema, needed_until=until, due=until + planes.filling.retire_after
        )
        try:
            if planes.features.definition(schema.capture, project=schema.project) is None:
                continue  # retired before, or never deployed
        except TrilockError as error:
            retirement = replace(retirement, error=str(error))
        yield retirement


def _retire(runtime: Runtime, planes: Planes, retirement: Retirement) -> Retirement:
    schema = retirement.schema
    leases = Leases(runtime.database, owner=f"retire-{uuid.uuid4().hex[:8]}")
    with runtime.database.write() as session:
        lease = leases.claim(session, retirement_scope(schema.project))
    if lease is None:
        return replace(retirement, error="somebody else is removing it")
    with leases.kept(lease):
        try:
            with runtime.database.read() as session:
                if needed_until(session, schema.ref) != retirement.needed_until:
                    return replace(retirement, error="it has come to be needed again")
            remains = planes.features.retire(schema.capture, project=schema.project)
            return replace(retirement, retired=True, remains=remains)
        except TrilockError as error:
            return replace(retirement, error=str(error))
        finally:
            with leases.fenced(lease) as session:
                leases.free(session, lease)
