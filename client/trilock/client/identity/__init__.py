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
from typing import Any, Final
from urllib.parse import quote

from trilock.client._served import Served
from trilock.client.errors import TrilockError
from trilock.client.live import LiveBundle

__all__ = ["Current", "headers", "held", "hold", "release"]

Current = Callable[[], Served[Any, Any]]
"""`slot.current`, or something that finds the slot first."""

_held: Final[ContextVar[Served[Any, Any] | TrilockError]] = ContextVar("trilock_held")


def headers(live: LiveBundle) -> dict[str, str]:
    """Return the headers, or the metadata, of a response that *live* gave.

    `trilock who-served` knows the revision; the generation tells two stores apart that
    were restored from one copy.
    """
    return {
        "trilock-model": f"{quote(live.registered_model)}/{quote(live.model_version)}",
        "trilock-bundle": live.bundle,
        "trilock-revision": str(live.revision),
        "trilock-generation": str(live.generation),
    }


def held() -> Served[Any, Any]:
    """Return what answers the request that is being handled.

    Raises:
        ResolverError: Nothing could be served when the request began.
        LookupError: No request is being handled, or not through one of the four.
    """
    try:
        found = _held.get()
    except LookupError:
        raise LookupError(
            "no request holds a model here: add a middleware or interceptor of "
            "trilock.client.identity to the server"
        ) from None
    if isinstance(found, TrilockError):
        raise found
    return found


def hold(
    current: Current,
) -> tuple[dict[str, str], Token[Served[Any, Any] | TrilockError]]:
    """Take what serves now for the rest of this context; return its headers.

    For middleware of your own; end it with `release`.
    """
    taken: Served[Any, Any] | TrilockError
    try:
        taken = current()
    except TrilockError as error:
        taken = error
    said = {} if isinstance(taken, TrilockError) else headers(taken.live)
    return said, _held.set(taken)


def release(token: Token[Served[Any, Any] | TrilockError]) -> None:
    """End what `hold` began, in the same context."""
    _held.reset(token)
