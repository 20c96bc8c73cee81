"""Ask trilock which bundle to serve, and everything else that its API offers."""

from trilock.client._blocking import Client
from trilock.client.errors import TrilockError

__all__ = ["Client", "TrilockError"]
