"""tokens create, list, revoke."""

import os
from pathlib import Path
from typing import Annotated

import typer

from trilock.cli.exits import UsageError
from trilock.cli.input.options import Output
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.streams import Format, say, write, write_json, write_table
from trilock.cli.output.words import when
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected, pages
from trilock.v1.admin_service_pb2 import (
    CreateTokenRequest,
    CreateTokenResponse,
    ListTokensRequest,
    RevokeTokenRequest,
)

_Principal = Annotated[
    str, typer.Argument(metavar="PRINCIPAL", help="The name that the history shows.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True)
    group.command(cls=Command)(create)
    group.command("list", cls=Command)(list_tokens)
    group.command(cls=Command)(revoke)
    app.add_typer(group, name="tokens")


def create(
    context: typer.Context,
    principal: _Principal,
    *,
    role: Annotated[
        list[str],
        typer.Option(help="serve, check, record, rollback, promote or admin; may be repeated."),
    ],
    file: Annotated[
        Path | None,
        typer.Option(help="Write the secret here, for its owner only, instead of to stdout."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Make a token; its secret is shown this once."""
    if file is not None and file.exists():
        raise UsageError(f"{str(file)!r} is there already")
    with connected(context) as session:
        request = CreateTokenRequest(principal=principal, roles=role)
        response = session.client.admin.CreateToken(request)
    if file is not None:
        _keep(response.secret, file)
        say(f"the token of {principal} is in {file}")
    if output is Format.JSON:
        write_json(_data(response, secret=file is None))
    elif file is None:
        say(f"the token of {principal}, shown this once:")
        write(response.secret)


def list_tokens(context: typer.Context, *, output: Output = Format.TABLE) -> None:
    """List tokens, without their secrets."""
    with connected(context) as session:
        found = pages(session.client.admin.ListTokens, ListTokensRequest(), items="tokens")
    if output is Format.JSON:
        write_json([plain(token) for token in found])
        return
    rows = [
        (
            token.principal,
            ", ".join(token.roles),
            token.creator or "-",
            "settings" if token.settings else when(moment(token.create_time)),
        )
        for token in found
    ]
    write_table(["principal", "roles", "creator", "made"], rows)


def revoke(context: typer.Context, principal: _Principal) -> None:
    """Make the token of PRINCIPAL useless at once."""
    with connected(context) as session:
        session.client.admin.RevokeToken(RevokeTokenRequest(principal=principal))
    say(f"the token of {principal} is revoked")


def _data(response: CreateTokenResponse, *, secret: bool) -> dict[str, object]:
    data = plain(response)
    return data if secret else {**data, "secret": None}


def _keep(secret: str, file: Path) -> None:
    # Readable by nobody else from the first moment, not from a chmod on.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"{secret}\n")
