"""What went live with one pivot, and which of it can still be taken back with one."""

from collections.abc import Iterator

from sqlmodel import Session

from trilock.server.domain.names import OperationId, ReleaseRef
from trilock.server.domain.release import ReleaseState
from trilock.server.operations.history import find_rollback
from trilock.server.operations.joined import Switched, promoted_with, switched_together
from trilock.server.store.releases import get_live, get_release


def in_progress(session: Session, promotion: OperationId) -> Iterator[Switched]:
    """Yield what *promotion*'s pivot made live, but for what is not live any more, final, or left.

    The alias that leads comes first.
    """
    return (one for one in switched_together(session, promotion) if _is_in_progress(session, one))


def _is_in_progress(session: Session, switched: Switched) -> bool:
    live = get_live(session, switched.alias)
    return (
        live is not None
        and live.release == switched.release
        and live.state in {ReleaseState.SOAKING, ReleaseState.FINALIZING}
        and find_rollback(session, switched.alias, leaves=switched.release) is None
    )


def companions_that_stay(session: Session, release: ReleaseRef) -> list[str]:
    """Return, as a line if any, what went live with *release* and how to take back all of it."""
    stay = [
        str(one.alias)
        for one in promoted_with(session, release)
        if one.release != release and _is_in_progress(session, one)
    ]
    if not stay:
        return []
    alias = get_release(session, release).alias
    return [
        (
            f"went live together with it, and stay: {', '.join(stay)}; "
            f"`trilock abort {alias.model}@{alias.alias}` takes back all of them"
        )
    ]
