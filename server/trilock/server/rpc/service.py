"""What every servicer is made of."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import grpc

from trilock.server.rpc.principals import Authenticator
from trilock.server.rpc.threads import Threads
from trilock.server.serving.bell import Bell
from trilock.server.serving.hub import Hub
from trilock.server.usecases.runtime import Runtime

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
"""A call. Servicers need it for deadlines only: errors are raised, not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What servicers work with. Made once, by the composition root."""

    runtime: Runtime
    hub: Hub
    threads: Threads
    authenticator: Authenticator
    writes: Bell
    """Rings after every write of this process to trilock's database."""
    keep_receipts_ms: int
    """How long what sinks keep of a release stays after its end."""
    version: str
    """trilock's."""
    schema: str
    """The database schema's."""
    started: datetime


class Service:
    """Base of the servicers: translate, delegate, translate back."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.runtime = parts.runtime
        self.threads = parts.threads
