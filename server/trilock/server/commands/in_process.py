"""A server in this process for as long as one command takes: for when none can be reached.

It is the very server, on a free port of loopback, with a token of its own that nobody
else learns; so what a command does through it is done, journaled and told like
anything else. Who may read the settings and write the database may do that.
"""

import asyncio
import getpass
import re
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Self

from trilock.server.domain.access import Role
from trilock.server.settings import ServerSettings, Settings, TokenSettings, load_settings

_GRACE_SECONDS: Final = 1.0

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._+-]")


class InProcess:
    """A server that runs in this process until it is closed."""

    def __init__(self, settings: Settings, *, token: str, principal: str) -> None:
        """Start to serve.

        Raises:
            DatabaseInUseError: A server has the SQLite file; its pid is named.
            TrilockError: It cannot be served like this; the message says why.
        """
        self.token = token
        self.principal = principal
        """Who the history says it was: the user of this machine."""
        address: Future[str] = Future()
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete,
            args=(_serve(settings, address, self._over),),
            name="in process",
        )
        self._thread.start()
        try:
            self.address = address.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop, after what is under way."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, after what is under way."""
        self.close()


def in_process(config: Path | None) -> InProcess:
    """Serve the database of the settings in this process.

    Raises:
        SettingsError: The settings are wrong.
        DatabaseInUseError: A server has the SQLite file; its pid is named.
        TrilockError: It cannot be served like this; the message says why.
    """
    settings = load_settings(config)
    # Imported here: what the other commands do not need takes 0.4 s.
    from trilock.server.usecases.manage_tokens import new_secret  # noqa: PLC0415

    secret, digest = new_secret()
    principal = _principal()
    own = settings.model_copy(
        update={
            "server": ServerSettings(listen="127.0.0.1:0", grace_seconds=_GRACE_SECONDS),
            "tokens": {principal: TokenSettings(sha256=digest, roles=frozenset({Role.ADMIN}))},
            "certificates": {},
        }
    )
    return InProcess(own, token=secret, principal=principal)


async def _serve(settings: Settings, address: "Future[str]", over: asyncio.Event) -> None:
    from trilock.server.__main__ import serving  # noqa: PLC0415 - as above

    try:
        async with serving(settings) as listening:
            address.set_result(listening)
            await over.wait()
    except BaseException as error:
        if address.done():
            raise
        address.set_exception(error)


def _principal() -> str:
    try:
        user = _UNFIT.sub("-", getpass.getuser()).strip("-.+_")
    except (KeyError, OSError):  # a user id without a name, as in a container
        user = ""
    return f"{user or 'unknown'}@local"
