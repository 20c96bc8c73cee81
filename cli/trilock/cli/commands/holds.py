"""hold, unhold: what nobody promotes, and where to."""

from typing import Annotated

import typer

from trilock.cli.input.grammar import Names, is_bundle, moment
from trilock.cli.input.options import Output
from trilock.cli.output.plain import plain
from trilock.cli.output.streams import Format, clean, say, write_json
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected
from trilock.v1.bundle_service_pb2 import LiftHoldRequest, PlaceHoldRequest

_What = Annotated[
    str,
    typer.Argument(metavar="BUNDLE|MODEL@ALIAS", help="A bundle, as 17, or an alias, as @canary."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(hold)
    app.command(cls=Command)(unhold)


def hold(
    context: typer.Context,
    what: _What,
    *,
    reason: Annotated[str, typer.Option(help="Why. Recorded, and told to who is refused.")],
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends by itself.", show_default=False),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Keep a bundle, or an alias, from being promoted.

    It never stops a rollback to another bundle.
    """
    expires = None if until is None else moment(until)
    with connected(context) as session:
        request = PlaceHoldRequest(name=_name(session.names, what), reason=reason)
        if expires is not None:
            request.expire_time.FromDatetime(expires)
        placed = session.client.bundles.PlaceHold(request).hold
    if output is Format.JSON:
        write_json(plain(placed))
    say(clean(f"{placed.resource} is on hold: {placed.reason}"))


def unhold(
    context: typer.Context,
    what: _What,
    *,
    reason: Annotated[str, typer.Option(help="Why promotions are allowed again. Recorded.")],
    output: Output = Format.TABLE,
) -> None:
    """Lift the hold of a bundle, or of an alias."""
    with connected(context) as session:
        name = _name(session.names, what)
        lifted = session.client.bundles.LiftHold(LiftHoldRequest(name=name, reason=reason))
    if output is Format.JSON:
        write_json(plain(lifted))
    if lifted.HasField("bundle"):
        say(f"{name} can be promoted again")
    else:
        say(f"{name} can be promoted to again")


def _name(names: Names, what: str) -> str:
    if "@" in what or "/aliases/" in what or not is_bundle(what):
        return names.alias(what)
    return names.bundle(what)
