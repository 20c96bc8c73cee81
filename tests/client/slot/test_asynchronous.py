"""The async slot: the same slot, for an event loop that nothing holds up."""

import asyncio

from trilock.client import AsyncModelSlot, AsyncResolver, Freshness, ServingBundle
from trilock.client.testing import FakeTrilock

DEADLINE = 20.0


def load(bundle: ServingBundle) -> str:
    return f"version {bundle.model_version}"


def test_it_serves_and_switches_without_blocking_the_loop() -> None:
    async def serve(trilock: FakeTrilock) -> list[str]:
        async with (
            AsyncResolver(trilock.address, ["delay"]) as resolver,
            AsyncModelSlot[str, None](resolver, load) as slot,
        ):
            assert await slot.wait_ready(DEADLINE)
            first = slot.current().model
            live = await asyncio.to_thread(trilock.promote, "delay", model_version="2")
            assert await slot.wait_for(live.revision, DEADLINE)
            second = slot.current().model
            live = await asyncio.to_thread(trilock.roll_back, "delay")
            assert await slot.wait_for(live.revision, DEADLINE)
            assert slot.health().state is Freshness.READY
            return [first, second, slot.current().model]

    with FakeTrilock() as trilock:
        trilock.release("delay", model_version="1")
        served = asyncio.run(serve(trilock))

    assert served == ["version 1", "version 2", "version 1"]


def test_what_is_waited_for_in_vain_is_given_up_in_time() -> None:
    async def serve(trilock: FakeTrilock) -> tuple[bool, Freshness]:
        async with (
            AsyncResolver(trilock.address, ["delay"]) as resolver,
            AsyncModelSlot[str, None](resolver, load) as slot,
        ):
            return await slot.wait_ready(0.05), slot.health().state

    with FakeTrilock() as trilock:
        assert asyncio.run(serve(trilock)) == (False, Freshness.ERROR)
