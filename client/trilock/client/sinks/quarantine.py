"""The rows that a release staged and that never came into the table, for a replay.

    for row in quarantined(url, sink="models/delay/sinks/predictions", epoch=4):
        ...  # predict again with the good model, and write with its writer

All rows are as of one moment. They are read from the sink's own database before the
first is handed out, so a replay may take its time and may write to the same table.
"""

from collections.abc import Iterator
from typing import Any, Final

from trilock.client.errors import NotFoundError, PreconditionError, TrilockError, UnavailableError
from trilock.client.sinks.apart import Progress, stream_apart
from trilock.client.sinks.connect import connect
from trilock.client.sinks.layout import LayoutVersionError, Shape
from trilock.client.sinks.session import (
    ConflictError,
    LostError,
    MissingTableError,
    RefusedError,
    Session,
)
from trilock.client.sinks.spool import spooled
from trilock.client.sinks.statements import FenceSql

_CONNECT_SECONDS: Final = 5.0


def quarantined(url: str, *, sink: str, epoch: int) -> Iterator[dict[str, Any]]:
    """Return the rows that *epoch* holds apart from the table, in key order.

    Of a release that soaks they are the staged ones, of one that was rolled back those
    in quarantine; of a finalized one, those that somebody else's rows kept out.

    Args:
        url: `sqlite:///path` or `postgresql://...`, from the caller's own settings.
        sink: The sink's resource name, for example `models/delay/sinks/predictions`.
        epoch: The `epoch` of the release's receipt.

    Raises:
        NotFoundError: The sink was never open for the epoch.
        PreconditionError: The rows were purged, or another version of trilock keeps them.
        UnavailableError: The database does not answer.
    """
    try:
        session = connect(url, name=f"trilock replay {sink}", timeout=_CONNECT_SECONDS)
        try:
            with session.snapshot():
                return spooled(_rows(session, sink=sink, epoch=epoch))
        finally:
            session.close()
    except MissingTableError as error:
        raise _failure(
            PreconditionError, f"{sink} holds no rows of epoch {epoch}: {error}"
        ) from error
    except (RefusedError, LayoutVersionError) as error:
        raise _failure(PreconditionError, f"{sink} cannot be read: {error}") from error
    except (LostError, ConflictError, OSError) as error:
        raise _failure(UnavailableError, f"{sink} cannot be read now: {error}") from error


def _rows(session: Session, *, sink: str, epoch: int) -> Iterator[dict[str, Any]]:
    found = session.rows(FenceSql(session.dialect).progress, {"sink": sink, "epoch": epoch})
    if not found:
        raise NotFoundError(f"{sink} was never open for epoch {epoch}")
    ((form, merged_through, undone_through, undone),) = found
    if not form:
        return
    shape = Shape.from_json(form)
    progress = Progress(
        merged_through=merged_through, undone_through=undone_through, undone=bool(undone)
    )
    for row in stream_apart(session, shape, progress):
        yield dict(zip(shape.names, row, strict=True))


def _failure(kind: type[TrilockError], what: str) -> TrilockError:
    reason = "SINK_UNUSABLE" if kind is PreconditionError else ""
    return kind(what, reason=reason)
