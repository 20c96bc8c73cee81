"""WSGI middleware: Flask, Django, any server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any

from trilock.client.identity import Current, Hold

StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class WsgiIdentity:
    """Holds one model for each request, and says on the response which.

        app.wsgi_app = WsgiIdentity(app.wsgi_app, current=slot.current)

    Args:
        app: What it is put around.
        current: `slot.current`.
    """

    def __init__(self, app: App, *, current: Current) -> None:
        self._app = app
        self._current = current

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        context = copy_context()
        hold = Hold(self._current)
        context.run(hold.begin)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:  # noqa: ANN401 - as WSGI has it
            return start_response(status, [*headers, *hold.headers().items()], *more)

        return _Body(context.run(self._app, environ, start), context)


class _Body:
    """A body whose parts are made where the request holds its model; closed as it was."""

    def __init__(self, parts: Iterable[bytes], context: Context) -> None:
        self._parts = parts
        self._context = context

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self._parts)
        end: bytes | None = None
        while (part := self._context.run(next, parts, end)) is not None:
            yield part

    def close(self) -> None:
        """Close what the application returned, if it wants to be."""
        close = getattr(self._parts, "close", None)
        if close is not None:
            self._context.run(close)
