"""Where blocking work runs: in threads, kept apart by how long it may take.

A rollback must not wait behind captures and checks, which ask outside systems
and run workers for minutes. So those have threads of their own, and a server
that stops does not wait for them: what they do is looked at again (I3).
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_QUICK: Final = 12
_SLOW: Final = 12

_TOGETHER: Final = 500
"""How many items of a stream are taken at a time."""


class Threads:
    """Runs blocking functions with the context, and so the principal, of the caller."""

    def __init__(self) -> None:
        self._quick = ThreadPoolExecutor(_QUICK, thread_name_prefix="trilock-quick")
        self._slow = asyncio.Semaphore(_SLOW)

    async def quick(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks trilock's database only, or must not wait: a rollback."""
        bound = partial(contextvars.copy_context().run, partial(work, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._quick, bound)

    async def slow(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks outside systems, or runs user code in a worker.

        A caller that goes away frees no thread: what it started goes on to its end.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        bound = partial(contextvars.copy_context().run, partial(work, *args, **kwargs))

        def settle(result: T | None, error: BaseException | None) -> None:
            self._slow.release()
            if done.cancelled():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]  # it is a T without an error

        def run() -> None:
            result: T | None = None
            failure: BaseException | None = None
            try:
                result = bound()
            except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop may be closed by then
                loop.call_soon_threadsafe(settle, result, failure)

        await self._slow.acquire()
        # A daemon: threads of a pool are joined when the interpreter exits.
        threading.Thread(target=run, name="trilock-slow", daemon=True).start()
        return await done

    async def stream(self, start: Callable[[], Iterator[T]]) -> AsyncGenerator[list[T], None]:
        """Yield what an iterator has, some at a time, at the pace of whoever asks.

        Args:
            start: Makes the iterator; may block, as the iterator may.
        """
        rows = await self.slow(start)
        try:
            while some := await self.slow(lambda: list(islice(rows, _TOGETHER))):
                yield some
        finally:
            # A generator holds a file, or a connection.
            close = getattr(rows, "close", None)
            if close is not None:
                # A thread may be in it still, when the caller went away; it is closed with it.
                with contextlib.suppress(ValueError):
                    close()

    def close(self) -> None:
        """Take no more quick work; wait for none."""
        self._quick.shutdown(wait=False, cancel_futures=True)
