"""Which bundle answered: said on every response, and the same for the whole request.

    AsgiIdentity, WsgiIdentity        middleware     trilock.client.identity.asgi, .wsgi
    GrpcIdentity, GrpcAioIdentity     interceptors   trilock.client.identity.grpc_sync, .grpc_aio

Each takes `slot.current`, asks it once when a request begins, and adds `headers` to the
response. In the handler, `held()` is what was taken then:

    served = held()
    served.model.predict(served.features.read(rows))

No framework is imported; where nothing is served, `held` raises, and what does not ask
for it (a health check) is answered as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Final, Self
from urllib.parse import quote

from trilock.client._slot.served import Served
from trilock.client.errors import TrilockError
from trilock.client.live import LiveBundle, ServingBundle

__all__ = ["Current", "Hold", "answer", "headers", "held"]

Current = Callable[[], Served[Any, Any]]
"""`slot.current`, or something that finds the slot first."""


class Hold:
    """What answers one request, for middleware of your own.

    with Hold(slot.current) as hold:
        ...
        response.headers.update(hold.headers())
    """

    def __init__(self, current: Current) -> None:
        self.taken: Served[Any, Any] | TrilockError
        try:
            self.taken = current()
        except TrilockError as error:
            self.taken = error

    def headers(self) -> dict[str, str]:
        """Return what to say on the response; nothing where nothing could be served."""
        taken = self.taken
        return {} if isinstance(taken, TrilockError) else headers(taken.live, taken.bundle)

    def begin(self) -> Token[Hold]:
        """Make it what `held` returns from here on in this context."""
        return _held.set(self)

    def __enter__(self) -> Self:
        """See `begin`."""
        self._token = self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        """End what `begin` began, in the same context."""
        _held.reset(self._token)


_held: Final[ContextVar[Hold]] = ContextVar("trilock_held")


def headers(live: LiveBundle, bundle: ServingBundle | None = None) -> dict[str, str]:
    """Return the headers, or the metadata, of a response.

    `trilock who-served` knows the revision; the generation tells two stores apart that
    were restored from one copy.

    Args:
        live: What was live.
        bundle: What gave the response, if it was not that but its canary.
    """
    bundle = bundle or live
    return {
        "trilock-model": f"{quote(bundle.registered_model)}/{quote(bundle.model_version)}",
        "trilock-bundle": bundle.bundle,
        "trilock-revision": str(live.revision),
        "trilock-generation": str(live.generation),
    }


def held() -> Served[Any, Any]:
    """Return what answers the request that is being handled.

    Raises:
        ResolverError: Nothing could be served when the request began.
        LookupError: No request is being handled, or not through one of the four.
    """
    taken = _find().taken
    if isinstance(taken, TrilockError):
        raise taken
    return taken


def answer(served: Served[Any, Any]) -> None:
    """Have *served*, for example of `slot.route(key)`, answer the request that is being handled.

    Raises:
        LookupError: See `held`.
    """
    _find().taken = served


def _find() -> Hold:
    try:
        return _held.get()
    except LookupError:
        raise LookupError(
            "no request holds a model here: add a middleware or interceptor of "
            "trilock.client.identity to the server"
        ) from None
