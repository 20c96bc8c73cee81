"""Say what a release wrote to its sinks: in numbers, row by row, and what is in quarantine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from trilock.client.sinks.layout import EpochState, release_number
from trilock.client.sinks.spool import spooled
from trilock.server.domain.errors import (
    InvalidRequestError,
    NotFoundError,
    TrilockError,
    UnavailableError,
)
from trilock.server.domain.names import ReleaseRef, SinkRef
from trilock.server.domain.ports import SinkRecords
from trilock.server.domain.receipt import Receipt, WrittenRow
from trilock.server.domain.release import Release
from trilock.server.domain.sink import Sink
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import get_sink, list_sinks
from trilock.server.usecases.runtime import Runtime

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkReceipt:
    """What a release wrote to one sink, or why nobody can tell now."""

    sink: Sink
    epoch: int
    state: EpochState | None
    receipt: Receipt | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow:
    """One row that a release wrote."""

    row: WrittenRow
    replaced_by: str
    """Name of the release whose row is there instead; empty for none that is known."""


def get_receipts(
    runtime: Runtime, *, release: ReleaseRef, sink: SinkRef | None
) -> tuple[SinkReceipt, ...]:
    """Return the receipts of *release*, one a sink; a sink in trouble holds up no other.

    Raises:
        NotFoundError: There is no such release, or no such sink; or *release* could
            never write to *sink*.
    """
    found, sinks = _sinks_of(runtime, release, sink)
    receipts = []
    for each in sinks:
        try:
            receipts.append(_receipt(runtime, each, found))
        except NotFoundError:
            # The sink was registered after the release had ended.
            if sink is not None:
                raise
        except TrilockError as error:
            receipts.append(
                SinkReceipt(
                    sink=each, epoch=found.epoch, state=None, receipt=None, error=str(error)
                )
            )
    return tuple(receipts)


def list_receipt_rows(
    runtime: Runtime, *, release: ReleaseRef, sink: SinkRef
) -> Iterator[ReceiptRow]:
    """Return every row that *release* wrote to *sink*, in key order, as of now.

    Raises:
        NotFoundError: There is no such release or sink, or it never wrote there.
        SinkError: The rows were purged.
        PlaneUnavailableError: The sink's database does not answer.
        UnavailableError: There is no room to keep the rows while they are sent.
    """
    found, (registered,) = _sinks_of(runtime, release, sink)
    rows = _kept(_records(runtime, registered).written(registered, epoch=found.epoch))
    names: dict[int, str] = {}

    def named(epoch: int | None) -> str:
        if epoch is None:
            return ""
        if epoch not in names:
            names[epoch] = _name_of(runtime, release, epoch=epoch)
        return names[epoch]

    return (ReceiptRow(row=row, replaced_by=named(row.replaced_by)) for row in rows)


def list_quarantined_rows(
    runtime: Runtime, *, release: ReleaseRef, sink: SinkRef
) -> Iterator[dict[str, Any]]:
    """Return the rows of *release* that are held apart from the table of *sink*.

    Raises:
        NotFoundError: There is no such release or sink, or it never wrote there.
        SinkError: The rows were purged.
        PlaneUnavailableError: The sink's database does not answer.
        UnavailableError: There is no room to keep the rows while they are sent.
    """
    found, (registered,) = _sinks_of(runtime, release, sink)
    return _kept(_records(runtime, registered).held_apart(registered, epoch=found.epoch))


def _sinks_of(
    runtime: Runtime, release: ReleaseRef, sink: SinkRef | None
) -> tuple[Release, list[Sink]]:
    if sink is not None and sink.model != release.model:
        raise InvalidRequestError([("sink", f"{sink} is not of model {release.model!r}")])
    with runtime.database.read() as session:
        found = get_release(session, release)
        if sink is not None:
            return found, [get_sink(session, sink)]
        return found, list_sinks(session, model=release.model)


def _receipt(runtime: Runtime, sink: Sink, release: Release) -> SinkReceipt:
    receipt = _records(runtime, sink).receipt(sink, epoch=release.epoch)
    state = runtime.connections.sink_database(sink.connection).state(sink, epoch=release.epoch)
    return SinkReceipt(sink=sink, epoch=release.epoch, state=state, receipt=receipt, error="")


def _records(runtime: Runtime, sink: Sink) -> SinkRecords:
    return runtime.connections.sink_records(sink.connection)


def _kept(rows: Iterator[_T]) -> Iterator[_T]:
    try:
        return spooled(rows)
    except OSError as error:
        raise UnavailableError(
            f"no room for the rows in a temporary file: {error.strerror}"
        ) from error


def _name_of(runtime: Runtime, release: ReleaseRef, *, epoch: int) -> str:
    ref = ReleaseRef(release.model, release_number(epoch))
    with runtime.database.read() as session:
        try:
            known = get_release(session, ref).epoch == epoch
        except NotFoundError:
            known = False
    # After a restore a number may have been given again, to another release.
    return str(ref) if known else f"a release of another history, with epoch {epoch}"
