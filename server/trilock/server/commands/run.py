"""Run the server in this process."""

import asyncio
import logging
from pathlib import Path

from trilock.server.settings import load_settings


def serve(config: Path | None) -> int:
    """Serve until SIGTERM or SIGINT; say on stdout where, and on stderr what happens.

    Returns:
        0: it was told to stop, and did.

    Raises:
        SettingsError: The settings are wrong.
        TrilockError: It cannot be served like this; the message says why.
    """
    settings = load_settings(config)
    # Imported here: what the other commands do not need takes 0.4 s.
    from trilock.server.__main__ import serve as run  # noqa: PLC0415

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # It tells of every plugin it finds.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    asyncio.run(run(settings))
    return 0
