"""The last look at each Feast project that the live release of an alias, or its target, reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, delete, select

from trilock.server.domain.names import AliasRef, ReleaseRef
from trilock.server.domain.ports import ViewState
from trilock.server.store.clock import now_ms, to_datetime, to_optional_datetime
from trilock.server.store.tables import FeatureStateRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureState:
    """What the last look found."""

    release: ReleaseRef
    project: str
    rows: int | None
    """Entities online, all views together; None where the online store cannot count."""
    fed_until: datetime | None
    """Of the view that is furthest behind; None if one never was fed."""
    cold: tuple[str, ...]
    """Views that materializing does not keep warm, and why."""
    error: str
    """Why it could not be looked at; "" if it could."""
    checked: datetime


def list_feature_states(
    session: Session, alias: AliasRef, *, releases: Sequence[ReleaseRef]
) -> list[FeatureState]:
    """Return the last look at what each of *releases* reads, in their order."""
    rows = {
        row.release: row
        for row in session.exec(
            select(FeatureStateRow).where(
                FeatureStateRow.model == alias.model, FeatureStateRow.alias == alias.alias
            )
        )
    }
    return [
        FeatureState(
            release=release,
            project=row.project,
            rows=row.rows,
            fed_until=to_optional_datetime(row.fed_until_ms),
            cold=tuple(row.cold),
            error=row.error,
            checked=to_datetime(row.checked_ms),
        )
        for release in releases
        if (row := rows.get(release.number)) is not None
    ]


def put_feature_state(
    session: Session,
    alias: AliasRef,
    release: ReleaseRef,
    *,
    project: str,
    views: Sequence[ViewState],
    error: str,
) -> None:
    """Keep what a look at *project*, which *release* reads, found."""
    counts = [view.rows for view in views]
    fed = [view.fed_until for view in views if view.feedable]
    behind = None if None in fed or not fed else min(each for each in fed if each is not None)
    session.merge(
        FeatureStateRow(
            model=alias.model,
            alias=alias.alias,
            release=release.number,
            project=project,
            rows=None if None in counts else sum(each for each in counts if each is not None),
            fed_until_ms=None if behind is None else round(behind.timestamp() * 1000),
            cold=[f"{view.view}: {view.cold}" for view in views if view.cold],
            error=error,
            checked_ms=now_ms(),
        )
    )


def keep_feature_states(
    session: Session, alias: AliasRef, *, releases: Sequence[ReleaseRef]
) -> None:
    """Forget what was found for all other releases of *alias*."""
    numbers = [release.number for release in releases]
    session.exec(
        delete(FeatureStateRow).where(
            col(FeatureStateRow.model) == alias.model,
            col(FeatureStateRow.alias) == alias.alias,
            col(FeatureStateRow.release).not_in(numbers),
        )
    )
