"""demo: the whole story on real data, in a checkout."""

import importlib
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from trilock.cli.exits import CommandError, Exit, UsageError
from trilock.cli.running.command import Command

_STORY: Final = Path("examples", "flights", "story.py")
_MODULE: Final = "examples.flights.story"
_PACKAGE: Final = Path(__file__).resolve().parents[4]
"""The checkout, if the package is installed from one in editable form."""


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command(cls=Command)(demo)


def demo(
    *,
    folder: Annotated[
        Path,
        typer.Option(
            "--dir", metavar="DIR", help="The demo's own folder; emptied only if a demo made it."
        ),
    ] = Path("build", "demo"),
) -> None:
    """Promote, break and roll back a real model, with proofs."""
    root = _checkout()
    # First, so that nothing else that is called `examples` is taken for it.
    sys.path.insert(0, str(root))
    try:
        story = importlib.import_module(_MODULE)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("trilock", "examples")):
            raise
        raise CommandError(
            f"the demo needs everything that `make setup` installs ({error.name} is missing)",
            code=Exit.ERROR,
        ) from error
    raise typer.Exit(int(story.main(folder)))


def _checkout() -> Path:
    """Return the root of the checkout.

    Raises:
        UsageError: There is none above the current folder, nor around the package.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, _PACKAGE):
        if (folder / _STORY).is_file():
            return folder
    raise UsageError(
        f"the demo needs a checkout of trilock, with {_STORY.as_posix()}: run it in one"
    )
