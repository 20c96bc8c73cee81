"""Ask trilock which bundle to serve, and everything else that its API offers.

Client, AsyncClient        every call of the API, with typed errors
Resolver, AsyncResolver    the live bundle, from memory, at the cost of a look-up
"""

from typing import TYPE_CHECKING

from trilock.client._blocking import Client
from trilock.client._memory import Freshness, Health
from trilock.client._resolver import Resolver
from trilock.client.errors import TrilockError
from trilock.client.live import LiveBundle, ServingBundle

if TYPE_CHECKING:
    from trilock.client._async import AsyncClient
    from trilock.client._async_resolver import AsyncResolver

__all__ = [
    "AsyncClient",
    "AsyncResolver",
    "Client",
    "Freshness",
    "Health",
    "LiveBundle",
    "Resolver",
    "ServingBundle",
    "TrilockError",
]


def __getattr__(name: str) -> type:
    # Imported on first use: asyncio and grpc.aio cost a blocking process as
    # much again as all the rest.
    if name == "AsyncClient":
        from trilock.client._async import AsyncClient  # noqa: PLC0415

        return AsyncClient
    if name == "AsyncResolver":
        from trilock.client._async_resolver import AsyncResolver  # noqa: PLC0415

        return AsyncResolver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
