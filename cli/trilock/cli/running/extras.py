"""Calls into parts of trilock that an install of the command line alone does not have."""

import importlib
from typing import Any

from trilock.cli.exits import CommandError, Exit, exit_for_reason
from trilock.server.domain.errors import TrilockError


def call(module: str, name: str, *arguments: object, purpose: str, **named: object) -> Any:  # noqa: ANN401 - see each function
    """Call function *name* of *module*, which is imported now since it imports a lot.

    Args:
        module: A module of the server.
        name: Its function.
        arguments: For the function.
        purpose: What needs it, for the words about a missing extra.
        named: For the function.

    Raises:
        CommandError: The extra is missing, or the function refused.
    """
    try:
        function = getattr(importlib.import_module(module), name)
        return function(*arguments, **named)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("trilock"):
            raise
        raise CommandError(
            f"{purpose} needs an extra ({error.name} is missing): pip install 'trilock[server]'",
            code=Exit.ERROR,
        ) from error
    except TrilockError as error:
        raise CommandError(str(error), code=exit_for_reason(error.reason)) from error
