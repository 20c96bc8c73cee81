"""The slot for asyncio: loads run in threads all the same, waiting does not block the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from trilock.client._resolver.asynchronous import AsyncResolver
from trilock.client._resolver.contract import BundleContract, Contracts
from trilock.client._slot.blocking import nothing
from trilock.client._slot.candidate import Recipe
from trilock.client._slot.served import OnRefused, OnServing, Standby
from trilock.client._slot.slot import Slot
from trilock.client.live import ServingBundle

M = TypeVar("M")
F = TypeVar("F")

_ASK_S: Final = 10.0


class AsyncModelSlot(Slot[M, F], Generic[M, F]):
    """The twin of `ModelSlot` on an `AsyncResolver`; arguments and errors are the same.

        async with (
            AsyncResolver(aliases=["delay"]) as resolver,
            AsyncModelSlot(resolver, load) as slot,
        ):
            await slot.wait_ready(timeout=120)
            served = slot.current()

    Make it in the event loop that the resolver runs in. What it is given to call runs in
    threads, as with `ModelSlot`, so that no load ever holds up the loop.
    """

    def __init__(
        self,
        resolver: AsyncResolver,
        load: Callable[[ServingBundle], M],
        *,
        features: Callable[[ServingBundle], F] | None = None,
        alias: str | None = None,
        warm_up: Callable[[M, F], object] | None = None,
        standby: Standby = Standby.WARM,
        load_timeout: float = 120.0,
        verify: bool = True,
        on_serving: OnServing | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()

        def ask(bundle: ServingBundle) -> BundleContract:
            asked = asyncio.run_coroutine_threadsafe(resolver.contract(bundle), loop)
            return asked.result(_ASK_S)

        contracts = Contracts(resolver.cache_dir, ask=ask) if verify else None
        read: Any = nothing if features is None else features
        super().__init__(
            resolver,
            Recipe(
                load=load,
                features=read,
                contract=None if contracts is None else contracts.of,
                warm_up=warm_up,
            ),
            contracts=contracts,
            alias=alias,
            standby=standby,
            load_timeout=load_timeout,
            on_serving=on_serving,
            on_refused=on_refused,
        )

    async def wait_ready(self, timeout: float) -> bool:  # noqa: ASYNC109 - as the twin has it
        """Wait until what is live is served. See `ModelSlot.wait_ready`."""
        return await asyncio.to_thread(self._wait, self._is_ready, timeout)

    async def wait_for(self, revision: int, timeout: float) -> bool:  # noqa: ASYNC109 - see above
        """Wait until *revision* is served. See `ModelSlot.wait_for`."""
        return await asyncio.to_thread(self._wait, lambda: self._reached(revision), timeout)

    async def close(self) -> None:
        """End the slot's thread. What is served stays, and changes no more."""
        await asyncio.to_thread(self._end)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
