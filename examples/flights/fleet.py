"""Serving processes in small: each has its own client and resolver, and notes what it is told.

What makes a switch fast or slow, the server's fan-out and a stream for each
client, is here as it is with processes on other machines.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from examples.flights.deployment import UnexpectedError
from examples.flights.world import MODEL

from trilock.client import Client, LiveBundle, Resolver
from trilock.client.sinks import SinkWriter

SIZE: Final = 8
_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One client was told of one change."""

    client: int
    live: LiveBundle
    at: float
    """When, on the monotonic clock."""
    moment: datetime
    """When, by the wall clock."""


class Fleet:
    """All of them."""

    def __init__(self, resolvers: tuple[Resolver, ...], told: threading.Condition) -> None:
        self.resolvers = resolvers
        self._told = told
        self._switches: list[Switch] = []

    @classmethod
    @contextmanager
    def following(cls, address: str, *, token_file: Path) -> Iterator[Self]:
        """Follow the model's production alias while the block runs.

        Raises:
            UnexpectedError: Not every client has heard of it in time.
        """
        with ExitStack() as stack:
            clients = [
                stack.enter_context(Client(address, token_file=token_file)) for _ in range(SIZE)
            ]
            resolvers = tuple(stack.enter_context(Resolver(client, [MODEL])) for client in clients)
            fleet = cls(resolvers, threading.Condition())
            for number, resolver in enumerate(resolvers):
                resolver.on_change(fleet._note_for(number))
            if not all(resolver.wait_ready(_SECONDS) for resolver in resolvers):
                raise UnexpectedError("not every client was told what is live")
            yield fleet

    def live(self) -> LiveBundle:
        """Return what the first client serves."""
        return self.resolvers[0].current()

    def writer(self, live: LiveBundle, sink: str, *, connections: Mapping[str, str]) -> SinkWriter:
        """Return a writer for what *live* predicts. See `Resolver.sink`."""
        return self.resolvers[0].sink(sink, connections=connections, live=live)

    def switched_to(self, version: str, *, since: float) -> tuple[Switch, ...]:
        """Wait until every client serves model *version*; return when each was told first.

        Args:
            version: Of the model, in MLflow.
            since: Changes from before are others; on the monotonic clock.

        Raises:
            UnexpectedError: Not all did so in time.
        """

        def first() -> dict[int, Switch]:
            found: dict[int, Switch] = {}
            for switch in self._switches:
                if switch.live.model_version == version and switch.at >= since:
                    found.setdefault(switch.client, switch)
            return found

        with self._told:
            if not self._told.wait_for(lambda: len(first()) == len(self.resolvers), _SECONDS):
                raise UnexpectedError(
                    f"{len(first())} of {len(self.resolvers)} clients serve version {version}"
                )
            return tuple(first().values())

    def serve(self, version: str) -> bool:
        """Return whether what every client serves now is model *version*."""
        return all(resolver.current().model_version == version for resolver in self.resolvers)

    def _note_for(self, client: int) -> Callable[[LiveBundle], None]:
        def note(live: LiveBundle) -> None:
            at, moment = time.monotonic(), datetime.now(UTC)
            with self._told:
                self._switches.append(Switch(client=client, live=live, at=at, moment=moment))
                self._told.notify_all()

        return note
