"""Where blocking work runs: in threads, kept apart by how long it may take.

A rollback must not wait behind captures and checks, which ask outside systems
and run workers for minutes. So those have threads of their own.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_QUICK: Final = 12
_SLOW: Final = 12


class Threads:
    """Runs blocking functions with the context, and so the principal, of the caller."""

    def __init__(self) -> None:
        self._quick = ThreadPoolExecutor(_QUICK, thread_name_prefix="trilock-quick")
        self._slow = ThreadPoolExecutor(_SLOW, thread_name_prefix="trilock-slow")

    async def quick(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks trilock's database only, or must not wait: a rollback."""
        return await _run(self._quick, partial(work, *args, **kwargs))

    async def slow(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks outside systems, or runs user code in a worker."""
        return await _run(self._slow, partial(work, *args, **kwargs))

    def close(self) -> None:
        """Take no more work; what runs goes on to its end by itself."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work))
