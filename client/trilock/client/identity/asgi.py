"""ASGI middleware: FastAPI, Starlette, Django, any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from trilock.client.identity import Current, Hold

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class AsgiIdentity:
    """Holds one model for each request, and says on the response which.

        app.add_middleware(AsgiIdentity, current=slot.current)

    Args:
        app: What it is put around.
        current: `slot.current`.
    """

    def __init__(self, app: App, *, current: Current) -> None:
        self._app = app
        self._current = current

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request, one connection, or the server's own life."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        with Hold(self._current) as hold:

            async def send_with_identity(message: Message) -> None:
                if message["type"] in {"http.response.start", "websocket.accept"}:
                    said = hold.headers().items()
                    added = [(name.encode(), value.encode()) for name, value in said]
                    message["headers"] = [*message.get("headers", ()), *added]
                await send(message)

            await self._app(scope, receive, send_with_identity)
