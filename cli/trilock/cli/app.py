"""The command line: which commands there are, and what they have in common."""

import importlib.metadata
from typing import Annotated

import typer

from trilock.cli.commands import (
    bundles,
    check,
    demo,
    diff,
    drift,
    fallback,
    features,
    fleet,
    holds,
    local,
    operations,
    pipeline,
    plan,
    policy,
    promotions,
    rollback,
    rules,
    serving,
    sinks,
    soak,
    status,
    tokens,
    waivers,
)
from trilock.cli.running.command import Commands
from trilock.cli.running.session import Access

app = typer.Typer(
    name="trilock",
    cls=Commands,
    help="Roll back model, features and pipeline together.",
    epilog="Exit codes: 0 done or compatible, 1 could not decide, 2 usage, 3 forbidden by the "
    "state of the world or missing rights, 4 timed out waiting, 100 incompatible, "
    "101 warnings (--fail-on=warning), 130 ctrl-c, 141 nobody reads the output.",
    no_args_is_help=True,
    # The last resort of `running/command.py` is the only one that shows a traceback.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for group in (
    local,
    tokens,
    bundles,
    holds,
    check,
    diff,
    rules,
    policy,
    waivers,
    plan,
    promotions,
    soak,
    rollback,
    fallback,
    status,
    serving,
    drift,
    operations,
    pipeline,
    features,
    fleet,
    sinks,
    demo,
):
    group.register(app)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"trilock {importlib.metadata.version('trilock')}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="TRILOCK_SERVER",
            metavar="HOST:PORT",
            help="The server to ask; 127.0.0.1:7420 by default.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(
            envvar="TRILOCK_TOKEN_FILE",
            metavar="FILE",
            help="The file with the token; .trilock/token beside trilock.toml by default.",
            show_default=False,
        ),
    ] = None,
    ca_file: Annotated[
        str | None,
        typer.Option(
            envvar="TRILOCK_CA_FILE",
            metavar="FILE",
            help="CA certificates to trust; the system's by default.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    context.obj = Access(server=server, token_file=token_file, ca_file=ca_file)
