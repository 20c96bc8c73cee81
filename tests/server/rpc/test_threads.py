"""Threads: the caller's context goes along, and slow work holds up nothing."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from trilock.server.domain.access import Principal, Role
from trilock.server.rpc import threads as module
from trilock.server.rpc.principals import act_as, current_principal
from trilock.server.rpc.threads import Threads

DEADLINE = 10.0


def run(scenario: Callable[[Threads], Awaitable[None]]) -> None:
    async def main() -> None:
        threads = Threads()
        try:
            await asyncio.wait_for(scenario(threads), DEADLINE)
        finally:
            threads.close()

    asyncio.run(main())


def test_the_principal_of_the_caller_is_that_of_the_thread() -> None:
    async def scenario(threads: Threads) -> None:
        act_as(Principal(name="ann", roles=frozenset({Role.SERVE})))
        assert (await threads.quick(current_principal)).name == "ann"
        assert (await threads.slow(current_principal)).name == "ann"

    run(scenario)


def test_errors_are_raised_where_they_are_awaited() -> None:
    async def scenario(threads: Threads) -> None:
        for pool in (threads.quick, threads.slow):
            with pytest.raises(ZeroDivisionError):
                await pool(divmod, 1, 0)

    run(scenario)


def test_slow_work_waits_for_slow_work_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLOW", 1)

    async def scenario(threads: Threads) -> None:
        release = threading.Event()
        first = asyncio.ensure_future(threads.slow(release.wait, DEADLINE))
        second = asyncio.ensure_future(threads.slow(len, "two"))

        assert await threads.quick(len, "three") == 5
        assert not second.done()
        release.set()
        assert await first
        assert await second == 3

    run(scenario)


def test_a_caller_that_goes_away_frees_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLOW", 1)

    async def scenario(threads: Threads) -> None:
        begun, release = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            release.wait(DEADLINE)

        first = asyncio.ensure_future(threads.slow(work))
        await asyncio.to_thread(begun.wait, DEADLINE)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.ensure_future(threads.slow(len, "two"))
        assert await threads.quick(len, "three") == 5
        assert not second.done()
        release.set()
        assert await second == 3

    run(scenario)
