"""The `trilock` command."""

import importlib
import os
import sys

_EXTRA = "error: the command line needs an extra: pip install 'trilock[cli]'"


def main() -> None:
    """Run the command that the program's arguments name, and exit with its code."""
    # grpc's C core logs reconnects to stderr, between the words meant for people.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    _require_streams()
    try:
        app = importlib.import_module("trilock.cli.app").app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.stderr.write(f"{_EXTRA}\n")
        sys.exit(1)
    app()


def _require_streams() -> None:
    """Have somewhere to write, even where the shell closed it (`>&-`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - to the end
