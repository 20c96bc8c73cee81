"""What is around an alias when a plan is made."""

from sqlmodel import Session

from trilock.server.convergence.catalog import Projections
from trilock.server.domain.names import AliasRef
from trilock.server.planning.plan import Surroundings
from trilock.server.store.releases import get_live
from trilock.server.store.sinks import list_sinks
from trilock.server.usecases.runtime import Runtime


def surroundings(runtime: Runtime, session: Session, alias: AliasRef) -> Surroundings:
    """Return the live row, the sinks and the planes of *alias*."""
    projections = Projections(runtime.database, runtime.connections)
    return Surroundings(
        alias=alias,
        live=get_live(session, alias),
        sinks=tuple(list_sinks(session, model=alias.model)),
        planes=tuple(projection.name for projection in projections.of_alias(session, alias)),
        feature_project=runtime.connections.in_place_project(alias) or "",
    )
