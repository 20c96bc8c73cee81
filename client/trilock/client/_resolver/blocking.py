"""Which bundle serves now, from memory: told by the server, never asked during a request.

`Resolver.current` is a dictionary look-up, whatever becomes of the server. What
it returns never goes back in (generation, revision), not even when the server
that answers next is behind, and never changes under the caller's hands.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from trilock.client._resolver.answers import watcher_name
from trilock.client._resolver.memory import STREAM_S, Memory, OnChange
from trilock.client._resolver.sink import sink_writer
from trilock.client._resolver.stale import MaxStale
from trilock.client._resolver.watch_proto import read_message, watch_request
from trilock.client._transport.blocking import Client
from trilock.client.errors import TrilockError
from trilock.client.live import LiveBundle, ServingBundle

if TYPE_CHECKING:
    from trilock.client._resolver.contract import BundleContract
    from trilock.client.sinks import SinkWriter


class Resolver(Memory):
    """Keeps the live bundles of some aliases in memory, with one stream for all of them.

        with Resolver(aliases=["delay"], cache_dir="/var/cache/delay") as resolver:
            resolver.wait_ready(timeout=10)
            live = resolver.current("delay")

    A context manager; its thread ends with `close`. Threads may share one; a
    process forked from one makes its own.

    Args:
        client: A client, which stays the caller's to close, or the address of a server;
            by default what `Client()` finds.
        aliases: `delay`, `delay@canary` or full names; none for every alias of the server.
        cache_dir: A folder for the last known good, so that a process starts while the
            server is down. It belongs to one trilock; processes may share it.
        max_stale: Seconds that `current` may go on after the server was last heard, for all
            aliases or for each by name; None for ever. Where a bundle's serving config has
            `max_stale_seconds`, that counts instead.
        on_change: As if given to `on_change`, before the first change.
        watcher: What to call this process on the server's roster, e.g. `delay-api`; by
            default after the machine.
        reports: Whether to tell the server what this process serves: every revision is
            acknowledged once it was taken and the callbacks have run. Operations wait
            for those who report.

    Raises:
        InvalidError: An alias is malformed, or the client cannot be made.
    """

    def __init__(
        self,
        client: Client | str | None = None,
        aliases: Iterable[str] = (),
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        max_stale: MaxStale = None,
        on_change: OnChange | None = None,
        watcher: str | None = None,
        reports: bool = True,
    ) -> None:
        super().__init__(aliases, cache_dir=cache_dir, max_stale=max_stale, on_change=on_change)
        self._owned = not isinstance(client, Client)
        self._client = client if isinstance(client, Client) else Client(client)
        self.watcher: Final = watcher_name(watcher)
        """This process's name on the server's roster."""
        self._stirred = threading.Event()
        self._told = threading.Condition()
        self._closing = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name="trilock-resolver", daemon=True)
        self._reporter: threading.Thread | None = None
        if reports:
            self._answers.on_new = self._stirred.set
            self._reporter = threading.Thread(
                target=self._report, name="trilock-reports", daemon=True
            )
            self._reporter.start()
        _resolvers.add(self)
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until the server was heard on every alias that is followed.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it was. What an earlier process left on disk does not count, but
            `current` serves it meanwhile.
        """
        with self._told:
            return self._told.wait_for(lambda: self._ready, timeout)

    def wait_for(self, revision: int, timeout: float) -> bool:
        """Wait until every change up to *revision* was taken: read your writes.

        Args:
            revision: For example `pivot_revision` of an operation.
            timeout: Seconds to wait at most.

        Returns:
            Whether it was.
        """
        with self._told:
            return self._told.wait_for(lambda: self._seen[1] >= revision, timeout)

    def contract(self, bundle: ServingBundle, *, timeout: float = 5.0) -> BundleContract:
        """Return what *bundle* was recorded with. Asks the server.

        Args:
            bundle: A live bundle, or a standby.
            timeout: Seconds to wait at most.

        Raises:
            NotFoundError: The server does not know it.
            UnavailableError: It did not tell in time.
        """
        # Imported here: a process without a slot never asks.
        from trilock.client._resolver.contract import BundleContract, contract_questions  # noqa: PLC0415

        ask_bundle, ask_schema = contract_questions(bundle)
        found = self._client.bundles.GetBundle(ask_bundle, timeout=timeout).bundle
        asked = self._client.bundles.GetFeatureSchema(ask_schema(found), timeout=timeout)
        return BundleContract.from_messages(found, asked.feature_schema)

    def sink(
        self,
        sink: str,
        *,
        connections: Mapping[str, str] | str,
        live: LiveBundle | None = None,
    ) -> SinkWriter:
        """Return a writer for what *live* predicts, which stops when its release does.

        Make one for each live bundle, from the very value that the rows were made with.
        A writer that followed the alias by itself would put rows of the old model into
        the release of the new one.

        Args:
            sink: The sink's short name, e.g. `predictions`.
            connections: URLs of the caller's own by the names that the server's settings
                have for them; or the URL alone, which asks the server nothing.
            live: Who writes; by default what is live now on the one alias that is followed.

        Raises:
            NotFoundError: The model has no such sink.
            InvalidError: The sink's connection is not in *connections*.
            ResolverError: Nothing that may be served is known.
        """
        live = self.current() if live is None else live
        return sink_writer(self._client, live, sink, connections=connections)

    def close(self) -> None:
        """End the stream and its thread. What is in memory stays, and is STALE from here on."""
        self._closing.set()
        self._stirred.set()
        if self._reporter is not None and self._reporter is not threading.current_thread():
            self._reporter.join()
        if self._call is not None:
            self._call.cancel()
        if self._thread is not threading.current_thread():
            self._thread.join()
        if self._owned:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            error: Exception | None = None
            try:
                self._read()
            except Exception as caught:  # noqa: BLE001 - the thread must not end in silence
                error = caught
            if not self._closing.is_set():
                self._closing.wait(self._pause_after(error))
        self._end()

    def _read(self) -> None:
        request = watch_request(self._watch, aliases=self.aliases)
        self._call = self._client.serving.Watch(request, timeout=STREAM_S)
        if self._closing.is_set():  # `close` came before there was something to cancel
            self._call.cancel()
        try:
            for response in self._call:
                self._take(read_message(response))
                with self._told:
                    self._told.notify_all()
        finally:
            self._call.cancel()  # a stream that is out of step is still open

    def _report(self) -> None:
        """Tell the server what is served, until `close`."""
        # Imported here: who only reads a live bundle from disk need not wait for it.
        from trilock.client._resolver.reports import CALL_S, LEAVE_S, Reports  # noqa: PLC0415

        reports = Reports(self._answers, watcher=self.watcher, clock=time.monotonic)
        while not (self._closing.is_set() or reports.over):
            wait = reports.due_in(news=self._answers.has_news)
            if wait is None or wait > 0:
                self._stirred.wait(wait)
                self._stirred.clear()
                continue
            taken = self._answers.take()
            try:
                answer = self._client.fleet.ReportServing(reports.request(taken), timeout=CALL_S)
                reports.arrived(taken, answer)
            except Exception as error:  # noqa: BLE001 - the thread must not end in silence
                reports.failed(taken, error)
        farewell = reports.farewell()
        # A server that is not heard would only hold up who leaves; its roster forgets by itself.
        if farewell is not None and self._connected:
            with contextlib.suppress(TrilockError):
                self._client.fleet.ReportServing(farewell, timeout=LEAVE_S)


_resolvers: Final[weakref.WeakSet[Resolver]] = weakref.WeakSet()


def _abandon_all() -> None:
    # The thread that hears of changes stays in the parent; without a word the
    # child would serve what was live at the fork until it dies.
    for resolver in _resolvers:
        resolver._abandon(  # noqa: SLF001 - the hook is this class's own
            "the process was forked from the one that made the resolver; make it after the fork"
        )


_register: Final[Callable[..., None] | None] = getattr(os, "register_at_fork", None)
if _register is not None:
    _register(after_in_child=_abandon_all)
