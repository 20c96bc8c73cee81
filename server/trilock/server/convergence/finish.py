"""What happens to a live release once the planes that hold it agree."""

from sqlmodel import Session, col, update

from trilock.server.domain.release import LiveRow, ReleaseState
from trilock.server.store.releases import set_live_state
from trilock.server.store.tables import PlaneStateRow


def finish_release(session: Session, live: LiveRow) -> None:
    """Make a live release that is FINALIZING into one that is FINALIZED.

    Its rows are in their tables. Other planes may still be on their way: MLflow's
    alias, or a mirror that refuses, must not keep the next release from going live.
    Called by the converger, in the transaction that says so.
    """
    if live.state is not ReleaseState.FINALIZING:
        return
    finished = set_live_state(
        session,
        live.alias,
        release=live.release,
        state=ReleaseState.FINALIZED,
        cause=live.cause,
    )
    # The row has a new revision, but no plane that agreed has to be other than it is.
    session.exec(
        update(PlaneStateRow)
        .where(
            col(PlaneStateRow.model) == live.alias.model,
            col(PlaneStateRow.alias) == live.alias.alias,
            col(PlaneStateRow.converged_revision) == live.revision,
        )
        .values(converged_revision=finished.revision)
    )
