"""Ask trilock which bundle to serve, and everything else that its API offers.

Client, AsyncClient        every call of the API, with typed errors
Resolver, AsyncResolver    the live bundle, from memory, at the cost of a look-up
ModelSlot, AsyncModelSlot  the live model with its features, loaded, proven and kept warm
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from trilock.client._resolver.blocking import Resolver
from trilock.client._resolver.memory import Freshness, Health
from trilock.client._transport.blocking import Client
from trilock.client.errors import TrilockError
from trilock.client.live import LiveBundle, ServingBundle

if TYPE_CHECKING:
    from trilock.client._resolver.asynchronous import AsyncResolver
    from trilock.client._resolver.contract import BundleContract
    from trilock.client._slot.asynchronous import AsyncModelSlot
    from trilock.client._slot.blocking import ModelSlot
    from trilock.client._slot.served import Refusal, Served, SlotHealth, SlotReport, Standby
    from trilock.client._transport.asynchronous import AsyncClient

__all__ = [
    "AsyncClient",
    "AsyncModelSlot",
    "AsyncResolver",
    "BundleContract",
    "Client",
    "Freshness",
    "Health",
    "LiveBundle",
    "ModelSlot",
    "Refusal",
    "Resolver",
    "Served",
    "ServingBundle",
    "SlotHealth",
    "SlotReport",
    "Standby",
    "TrilockError",
]

# Imported on first use: asyncio and grpc.aio cost a blocking process as much again
# as all the rest, and a command line needs no slot.
_LATE: Final = {
    "AsyncClient": "_transport.asynchronous",
    "AsyncModelSlot": "_slot.asynchronous",
    "AsyncResolver": "_resolver.asynchronous",
    "BundleContract": "_resolver.contract",
    "ModelSlot": "_slot.blocking",
    "Refusal": "_slot.served",
    "Served": "_slot.served",
    "SlotHealth": "_slot.served",
    "SlotReport": "_slot.served",
    "Standby": "_slot.served",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type checker sees the imports above
    module = _LATE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
