"""The fences, and where rows are, follow the states of the releases.

live release SOAKING       its writers are staged; so are those of one on trial
             FINALIZING    staged rows are merged, then its writers write directly
             FINALIZED     its writers write directly; superseded ones are fenced
ROLLED_BACK release        its writers are fenced; what it wrote to the table is undone,
                           what it staged stays in quarantine. Rows that cannot be undone
                           stay, which is noted: it must not hold up the next release

A fence only goes forward, and so do its rows. Where trilock's database was restored from a
copy, a sink's may say more of a release than trilock knows: what came after the copy was lost
with it. Such a fence is as settled as it can be. It is noted and left as it is, and so is the
table; only a merge that was begun is ended, since its writers wait for that.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import ClassVar

from sqlmodel import Session

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import (
    CannotUndoError,
    PlaneUnavailableError,
    TrilockError,
    UnavailableError,
)
from trilock.server.domain.names import SinkRef
from trilock.server.domain.ports import Connections, SinkDatabase
from trilock.server.domain.release import LiveRow, Release, ReleaseState
from trilock.server.domain.sink import (
    FenceAhead,
    MergeCounts,
    Sink,
    StagedRows,
    UndoCounts,
    UndoUnavailable,
)
from trilock.server.store.database import Database
from trilock.server.store.releases import get_release, list_releases
from trilock.server.store.sinks import list_release_sinks, list_sinks, note_release_sink

_HISTORY = 100
"""How many releases back are looked at; older ones are settled long since."""

_SETTLED = "settled"

_STAGED = frozenset({EpochState.STAGED, None})

_FORWARD = (EpochState.STAGED, EpochState.MERGING, EpochState.DIRECT, EpochState.CLOSED)
"""The order in which a fence goes through its states; it may leave some out."""

_Counts = StagedRows | MergeCounts | UndoCounts | UndoUnavailable | FenceAhead

_Troubles = dict[SinkRef, TrilockError]
"""Why a sink cannot be settled now."""

_log = logging.getLogger(__name__)


class Sinks:
    """Implements Projection. Exists where the model has sinks."""

    name: ClassVar[str] = "sinks"
    absolute: ClassVar[bool] = False
    shared: ClassVar[bool] = False
    holds_release: ClassVar[bool] = True
    timeout: ClassVar[float] = 600.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def wanted(self, live: LiveRow) -> str:
        """Return "settled"."""
        del live
        return _SETTLED

    def observe(self, live: LiveRow) -> str:
        """Return "settled", or what is still to be done, by release and sink."""
        troubles = _Troubles()
        open_work = [
            f"{release.ref} {sink.ref.sink}: {state or 'no fence'}{_isolation(release, state)}"
            for release, sink, state in self._unsettled(live, troubles)
        ]
        found = dict.fromkeys([*open_work, *self._unproven(live, troubles)])
        return "; ".join(found) or _SETTLED

    def _unproven(self, live: LiveRow, troubles: _Troubles) -> Iterator[str]:
        """Yield what is wrong with sinks, and whose rows may still come into their tables."""
        with self._database.read() as session:
            releases = _releases(session, live)
            noted = _Noted(session, releases)
        for ref, error in troubles.items():
            yield str(error)
            for release in releases:
                if release.state is ReleaseState.ROLLED_BACK and not noted.says(
                    release, ref, EpochState.CLOSED
                ):
                    state = noted.state(release, ref)
                    yield f"{release.ref} {ref.sink}: fence unknown{_isolation(release, state)}"

    def apply(self, live: LiveRow) -> None:
        """Do what is still to be done, release by release, sink by sink.

        A sink in trouble holds up no other, whose fence may be open.
        """
        troubles = _Troubles()
        for release, sink, state in self._unsettled(live, troubles):
            try:
                self._settle(release, sink, state)
            except TrilockError as error:
                troubles[sink.ref] = error
        if len(troubles) == 1:
            raise next(iter(troubles.values()))
        if troubles:
            # What is wrong with a database is wrong with all of its sinks: said once.
            raise UnavailableError("; ".join(dict.fromkeys(map(str, troubles.values()))))

    def _settle(self, release: Release, sink: Sink, state: EpochState | None) -> None:
        database = self._connections.sink_database(sink.connection)
        epoch = release.epoch
        counts: _Counts | None = None
        if _is_ahead(release, state):
            self._note_ahead(release, sink, state)
            return
        match release.state:
            case ReleaseState.CANARY | ReleaseState.SHADOW:
                database.open_staged(sink, epoch=epoch)
            case ReleaseState.SOAKING:
                database.open_staged(sink, epoch=epoch)
                if sink.live_view:
                    database.show(sink, epoch=epoch)
            case ReleaseState.FINALIZING | ReleaseState.FINALIZED:
                # A rollback's release never staged, nor did one to a sink that is newer.
                if state is None:
                    database.open_direct(sink, epoch=epoch)
                else:
                    counts = database.merge(sink, epoch=epoch)
            case ReleaseState.SUPERSEDED:
                database.close(sink, epoch=epoch)
            case ReleaseState.ROLLED_BACK:
                database.close(sink, epoch=epoch)
                counts = _undone(database, sink, epoch=epoch)
                self._note(release, sink, database.staged(sink, epoch=epoch))
        self._note(release, sink, counts)

    def _note_ahead(self, release: Release, sink: Sink, state: EpochState | None) -> None:
        """Note what the fence says, once no writer waits at it any more."""
        if state is EpochState.MERGING:
            self._connections.sink_database(sink.connection).merge(sink, epoch=release.epoch)
            state = EpochState.DIRECT
        ahead = FenceAhead(why=_why_ahead(release, state))
        _log.warning("%s of %s: %s", sink.ref, release.ref, ahead.why)
        self._note(release, sink, ahead, state=state)

    def _note(
        self,
        release: Release,
        sink: Sink,
        counts: _Counts | None,
        *,
        state: EpochState | None = None,
    ) -> None:
        with self._database.write() as session:
            # Whoever was slow, and was taken over, must not note what is no longer so.
            if _wanted(get_release(session, release.ref)) is _wanted(release):
                note_release_sink(
                    session,
                    release.ref,
                    sink.ref,
                    state=(state or _wanted(release)).value,
                    counts=counts,
                )

    def _state(self, sink: Sink, release: Release) -> EpochState | None:
        return self._connections.sink_database(sink.connection).state(sink, epoch=release.epoch)

    def _is_hidden(self, sink: Sink, release: Release) -> bool:
        """Whether the live view does not show what the live release stages."""
        if release.state is not ReleaseState.SOAKING or not sink.live_view:
            return False
        shown = self._connections.sink_database(sink.connection).shown(sink)
        return shown != release.epoch

    def _is_open(self, sink: Sink, release: Release, state: EpochState | None) -> bool:
        """Return whether something is still to be done in the sink's database."""
        if _is_ahead(release, state):
            return state is EpochState.MERGING
        return state is not _wanted(release) or self._is_hidden(sink, release)

    def _unsettled(
        self, live: LiveRow, troubles: _Troubles
    ) -> Iterator[tuple[Release, Sink, EpochState | None]]:
        """Yield what is to be done, but for sinks that are in trouble, or turn out to be."""
        with self._database.read() as session:
            sinks = list_sinks(session, model=live.alias.model)
            releases = _releases(session, live)
            noted = _Noted(session, releases)
        silent: dict[str, TrilockError] = {}
        for release in releases:
            for sink in sinks:
                wanted = _wanted(release)
                if wanted is EpochState.CLOSED and noted.says(release, sink.ref, wanted):
                    continue  # for good: no need to ask its database again
                if sink.ref in troubles:
                    continue
                if sink.connection in silent:
                    troubles[sink.ref] = silent[sink.connection]
                    continue
                try:
                    state = self._state(sink, release)
                except TrilockError as error:
                    troubles[sink.ref] = error
                    if isinstance(error, PlaneUnavailableError):
                        # Every sink of a database that is down would take its 2 s again.
                        silent[sink.connection] = error
                    continue
                if state is None and release.ended is not None:
                    continue  # the sink was registered after this release had ended
                if not noted.says(release, sink.ref, state) or self._is_open(sink, release, state):
                    yield release, sink, state


class _Noted:
    """What was noted of the fences of some releases when they were settled last."""

    def __init__(self, session: Session, releases: Sequence[Release]) -> None:
        self._found = {
            (release.ref, noted.sink): noted
            for release in releases
            for noted in list_release_sinks(session, release.ref)
        }

    def state(self, release: Release, sink: SinkRef) -> str | None:
        """Return what was noted; None for nothing."""
        noted = self._found.get((release.ref, sink))
        return None if noted is None else noted.state

    def says(self, release: Release, sink: SinkRef, state: EpochState | None) -> bool:
        """Return whether *release* was settled as it is now, with its fence in *state*.

        A fence that was ahead, and is not any more, is what *release* has come to since:
        when that is rolled back, its rows have still to be taken out.
        """
        noted = self._found.get((release.ref, sink))
        if noted is None or noted.state != state:
            return False
        return noted.is_ahead is _is_ahead(release, state)


def _isolation(release: Release, state: str | None) -> str:
    """Return what to add where a release that was rolled back may write, or has rows."""
    # What was only ever staged is not in the table, whoever goes on writing.
    if release.state is not ReleaseState.ROLLED_BACK or state in _STAGED:
        return ""
    if state == EpochState.CLOSED:
        return " (not undone yet)"
    return " (I5 does not hold yet: its writers are not fenced)"


def _undone(database: SinkDatabase, sink: Sink, *, epoch: int) -> UndoCounts | UndoUnavailable:
    try:
        return database.undo(sink, epoch=epoch)
    except CannotUndoError as error:
        _log.warning("what epoch %d wrote stays in the table: %s", epoch, error)
        return UndoUnavailable(why="; ".join(error.problems))


def _releases(session: Session, live: LiveRow) -> list[Release]:
    """Return the releases whose fences matter: the live one, and those that ended."""
    live_release = get_release(session, live.release)
    ended = [
        release
        for release in list_releases(session, alias=live.alias, offset=0, limit=_HISTORY)
        if release.ref != live.release
        # While the live release soaks its predecessor's late rows are as good as ever.
        and (release.state is not ReleaseState.SUPERSEDED or _is_final(live_release))
    ]
    # Fences close before others open.
    return [*ended, live_release]


def _is_final(release: Release) -> bool:
    return release.state is not ReleaseState.SOAKING


def _is_ahead(release: Release, state: EpochState | None) -> bool:
    return state is not None and _FORWARD.index(state) > _FORWARD.index(_wanted(release))


def _why_ahead(release: Release, state: EpochState | None) -> str:
    then = (
        "its writers are fenced for good: a rollback or another promotion makes a release that "
        "may write"
        if state is EpochState.CLOSED
        else "its writers write to the table"
    )
    return (
        f"its database says {state} while it is {release.state} here: what came after a copy of "
        f"trilock's database was lost with it; {then}"
    )


def _wanted(release: Release) -> EpochState:
    match release.state:
        case ReleaseState.SOAKING | ReleaseState.CANARY | ReleaseState.SHADOW:
            return EpochState.STAGED
        case ReleaseState.FINALIZING | ReleaseState.FINALIZED:
            return EpochState.DIRECT
        case ReleaseState.SUPERSEDED | ReleaseState.ROLLED_BACK:
            return EpochState.CLOSED
