"""The async resolver: the twin of `Resolver`, with a task where that one has a thread."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Self

from trilock.client._resolver.answers import watcher_name
from trilock.client._resolver.contract import BundleContract, contract_questions
from trilock.client._resolver.memory import STREAM_S, Memory, OnChange
from trilock.client._resolver.reports import CALL_S, LEAVE_S, Reports
from trilock.client._resolver.stale import MaxStale
from trilock.client._resolver.watch_proto import read_message, watch_request
from trilock.client._transport.asynchronous import AsyncClient
from trilock.client.errors import TrilockError
from trilock.client.live import ServingBundle


class AsyncResolver(Memory):
    """Keeps the live bundles of some aliases in memory, with one stream for all of them.

        async with AsyncResolver(aliases=["delay"]) as resolver:
            await resolver.wait_ready(timeout=10)
            live = resolver.current("delay")

    An async context manager; its task runs from entering to `close`. Arguments and errors
    are those of `Resolver`; callbacks run in the event loop, so what they do must be short.
    """

    def __init__(
        self,
        client: AsyncClient | str | None = None,
        aliases: Iterable[str] = (),
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        max_stale: MaxStale = None,
        on_change: OnChange | None = None,
        watcher: str | None = None,
        reports: bool = True,
    ) -> None:
        super().__init__(aliases, cache_dir=cache_dir, max_stale=max_stale, on_change=on_change)
        self._owned = not isinstance(client, AsyncClient)
        self._client = client if isinstance(client, AsyncClient) else AsyncClient(client)
        self.watcher: Final = watcher_name(watcher)
        """This process's name on the server's roster."""
        self._reports_wanted = reports
        self._stirred = asyncio.Event()
        self._reporter: asyncio.Task[None] | None = None
        self._told = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def wait_ready(self, timeout: float) -> bool:  # noqa: ASYNC109 - as the twin has it
        """Wait until the server was heard on every alias. See `Resolver.wait_ready`."""
        return await self._wait(lambda: self._ready, timeout)

    async def wait_for(self, revision: int, timeout: float) -> bool:  # noqa: ASYNC109 - see above
        """Wait until every change up to *revision* was taken. See `Resolver.wait_for`."""
        return await self._wait(lambda: self._seen[1] >= revision, timeout)

    async def contract(
        self,
        bundle: ServingBundle,
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - as the twin has it
    ) -> BundleContract:
        """Return what *bundle* was recorded with. See `Resolver.contract`."""
        ask_bundle, ask_schema = contract_questions(bundle)
        found = (await self._client.bundles.GetBundle(ask_bundle, timeout=timeout)).bundle
        asked = await self._client.bundles.GetFeatureSchema(ask_schema(found), timeout=timeout)
        return BundleContract.from_messages(found, asked.feature_schema)

    async def close(self) -> None:
        """End the stream and its task. What is in memory stays, and is STALE from here on."""
        for task in (self._reporter, self._task):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._end()
        if self._owned:
            await self._client.close()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="trilock-resolver")
        if self._reports_wanted:
            loop = asyncio.get_running_loop()
            self._answers.on_new = partial(_stir, loop, self._stirred)
            self._reporter = asyncio.create_task(self._report(), name="trilock-reports")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds), self._told:
                return await self._told.wait_for(reached)
        except TimeoutError:
            return False

    async def _run(self) -> None:
        while True:
            error: Exception | None = None
            try:
                await self._read()
            except Exception as caught:  # noqa: BLE001 - the task must not end in silence
                error = caught
            await asyncio.sleep(self._pause_after(error))

    async def _report(self) -> None:
        """Tell the server what is served, until it is cancelled."""
        reports = Reports(self._answers, watcher=self.watcher, clock=time.monotonic)
        try:
            while not reports.over:
                wait = reports.due_in(news=self._answers.has_news)
                if wait is None or wait > 0:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await self._stirred.wait()
                    self._stirred.clear()
                    continue
                taken = self._answers.take()
                try:
                    request = reports.request(taken)
                    answer = await self._client.fleet.ReportServing(request, timeout=CALL_S)
                    reports.arrived(taken, answer)
                except Exception as error:  # noqa: BLE001 - the task must not end in silence
                    reports.failed(taken, error)
        finally:
            farewell = reports.farewell()
            # As in `Resolver`: a server that is not heard would only hold up who leaves.
            if farewell is not None and self._connected:
                with suppress(TrilockError):
                    await self._client.fleet.ReportServing(farewell, timeout=LEAVE_S)

    async def _read(self) -> None:
        request = watch_request(self._watch, aliases=self.aliases)
        call = self._client.serving.Watch(request, timeout=STREAM_S)
        try:
            async for response in call:
                self._take(read_message(response))
                async with self._told:
                    self._told.notify_all()
        finally:
            call.cancel()  # a stream that is out of step is still open


def _stir(loop: asyncio.AbstractEventLoop, stirred: asyncio.Event) -> None:
    # `acknowledge` may be called by a thread that loads a model, and later than the loop.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(stirred.set)
