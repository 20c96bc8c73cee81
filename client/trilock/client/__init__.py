"""Ask trilock which bundle to serve, and everything else that its API offers."""

from trilock.client._blocking import Client
from trilock.client._memory import Freshness, Health
from trilock.client._resolver import Resolver
from trilock.client.errors import TrilockError
from trilock.client.live import LiveBundle, ServingBundle

__all__ = [
    "Client",
    "Freshness",
    "Health",
    "LiveBundle",
    "Resolver",
    "ServingBundle",
    "TrilockError",
]
