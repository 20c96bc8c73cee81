"""What a release has in its sinks, as their databases say when somebody asks.

Nobody is kept waiting for it: what is not told within a second is told as it was last
noted, with the time of that, or said not to be known. A figure is what was counted, or
there is none.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from trilock.client.sinks.layout import EpochState
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import SinkRef
from trilock.server.domain.ports import Connections
from trilock.server.domain.release import Release
from trilock.server.domain.sink import Sink
from trilock.server.store.sinks import ReleaseSink
from trilock.server.usecases.runtime import Runtime

_LOOK_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class _Look:
    """One look at the sinks of one epoch, a thread for each of their databases."""

    _under_way: Final[set[tuple[SinkRef, int]]] = set()
    """Whoever asks again while a count takes long must not begin another one."""
    _mutex: Final = threading.Lock()

    def __init__(self, connections: Connections, *, epoch: int) -> None:
        self._connections = connections
        self._epoch = epoch
        self.found: dict[SinkRef, tuple[EpochState | None, int]] = {}

    def look(self, sinks: Iterable[Sink]) -> None:
        """Count, sink by sink, until one is in trouble; they are of one database."""
        for sink in sinks:
            key = (sink.ref, self._epoch)
            with self._mutex:
                if key in self._under_way:
                    continue
                self._under_way.add(key)
            try:
                database = self._connections.sink_database(sink.connection)
                state = database.state(sink, epoch=self._epoch)
                rows = database.count_staged(sink, epoch=self._epoch).rows
                self.found[sink.ref] = (state, rows)
            except TrilockError as error:
                _log.info("what is in %s is not counted: %s", sink.ref, error)
                return
            finally:
                with self._mutex:
                    self._under_way.discard(key)


def look_at_sinks(
    runtime: Runtime,
    release: Release,
    *,
    sinks: Sequence[Sink],
    noted: Sequence[ReleaseSink],
    seconds: float = _LOOK_SECONDS,
) -> tuple[ReleaseSink, ...]:
    """Return what *release* has in *sinks*: as of now, or what was *noted* where nobody answers."""
    look = _Look(runtime.connections, epoch=release.epoch)
    threads = [
        threading.Thread(target=look.look, args=(list(group),), name="look at sinks", daemon=True)
        for _, group in groupby(
            sorted(sinks, key=lambda sink: sink.connection), key=lambda sink: sink.connection
        )
    ]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    answered, known = dict(look.found), {one.sink: one for one in noted}
    return tuple(_told(sink, answered.get(sink.ref), known.get(sink.ref)) for sink in sinks)


def _told(
    sink: Sink, answer: tuple[EpochState | None, int] | None, noted: ReleaseSink | None
) -> ReleaseSink:
    told = noted or ReleaseSink(sink=sink.ref, state="UNKNOWN", counts={}, purged=None)
    if answer is not None:
        state, rows = answer
        # Without a fence nothing of the release can have come there.
        told = replace(told, state=(state or EpochState.CLOSED).value)
        told = replace(told, counts={**told.counts, "staged": {"rows": rows}})
    if not sink.undoable and told.state not in {EpochState.STAGED, "UNKNOWN"}:
        why = {"why": "it is append-only and has no release column"}
        told = replace(told, counts={**told.counts, "undo_unavailable": why})
    return told
