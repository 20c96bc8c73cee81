"""The blocking slot; see `slot` for what it promises."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from trilock.client._resolver.blocking import Resolver
from trilock.client._resolver.contract import Contracts
from trilock.client._slot.candidate import Recipe
from trilock.client._slot.served import OnRefused, OnServing, Standby
from trilock.client._slot.slot import Slot
from trilock.client.live import ServingBundle

M = TypeVar("M")
F = TypeVar("F")


def nothing(_bundle: ServingBundle) -> None:
    """Load no features: for a model that is given everything with the request."""


class ModelSlot(Slot[M, F], Generic[M, F]):
    """Keeps the live model with its features, and the rollback target, loaded and proven.

        with Resolver(aliases=["delay"]) as resolver, ModelSlot(resolver, load) as slot:
            slot.wait_ready(timeout=120)
            served = slot.current()  # once a request
            served.model.predict(rows)

    A context manager; its thread ends with `close`, before the resolver's. Threads may
    share one; a process forked from one makes its own.

    Args:
        resolver: Says what is live. It stays the caller's to close.
        load: Returns the model of a bundle. Runs in a thread of its own, and may raise,
            be slow, or hang: the last good pair serves on. If what it returns has a method
            `verify`, that is called with the bundle's contract before every switch to it.
        features: Returns what reads the features of a bundle; the same holds for it.
        alias: `delay`, `delay@canary` or the full name; may be left out if the resolver
            follows one.
        warm_up: Called with model and features before they serve, to make a sample request.
            If it raises, they do not serve.
        standby: What is kept in memory of the rollback target.
        load_timeout: Seconds after which a load counts as failed.
        verify: Whether to ask for the bundle's contract, and to hold against it what was loaded.
        on_serving: As if given to `on_serving`.
        on_refused: As if given to `on_refused`.

    Raises:
        InvalidError: The alias is malformed, or not one that the resolver follows.
    """

    @overload
    def __init__(
        self: ModelSlot[M, None],
        resolver: Resolver,
        load: Callable[[ServingBundle], M],
        *,
        alias: str | None = ...,
        warm_up: Callable[[M, None], object] | None = ...,
        standby: Standby = ...,
        load_timeout: float = ...,
        verify: bool = ...,
        on_serving: OnServing | None = ...,
        on_refused: OnRefused | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        resolver: Resolver,
        load: Callable[[ServingBundle], M],
        *,
        features: Callable[[ServingBundle], F],
        alias: str | None = ...,
        warm_up: Callable[[M, F], object] | None = ...,
        standby: Standby = ...,
        load_timeout: float = ...,
        verify: bool = ...,
        on_serving: OnServing | None = ...,
        on_refused: OnRefused | None = ...,
    ) -> None: ...

    def __init__(
        self,
        resolver: Resolver,
        load: Callable[[ServingBundle], M],
        *,
        features: Callable[[ServingBundle], Any] = nothing,
        alias: str | None = None,
        warm_up: Callable[[M, Any], object] | None = None,
        standby: Standby = Standby.WARM,
        load_timeout: float = 120.0,
        verify: bool = True,
        on_serving: OnServing | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        contracts = Contracts(resolver.cache_dir, ask=resolver.contract) if verify else None
        super().__init__(
            resolver,
            Recipe(
                load=load,
                features=features,
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

    def wait_ready(self, timeout: float) -> bool:
        """Wait until what is live is served.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it is. `current` serves the last good meanwhile, if there is one.
        """
        return self._wait(self._is_ready, timeout)

    def wait_for(self, revision: int, timeout: float) -> bool:
        """Wait until what was live at *revision*, or later, is served: read your writes."""
        return self._wait(lambda: self._reached(revision), timeout)

    def close(self) -> None:
        """End the slot's thread. What is served stays, and changes no more."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
