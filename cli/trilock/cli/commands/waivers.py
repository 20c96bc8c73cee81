"""waive; waivers list, revoke: findings that do not count until a day."""

from typing import Annotated

import typer

from trilock.cli.input.options import DryRun, Limit, ModelFilter, Output
from trilock.cli.output.plain import enum_name, plain
from trilock.cli.output.streams import Format, say, write_json, write_table
from trilock.cli.output.words import last
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected, new_request_id, pages
from trilock.client.names import short_alias
from trilock.v1.policy_pb2 import RecordedWaiver
from trilock.v1.policy_service_pb2 import (
    CreateWaiverRequest,
    ListWaiversRequest,
    RevokeWaiverRequest,
)


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(waive)
    group = typer.Typer(help="Findings that do not count until a day.", no_args_is_help=True)
    group.command("list", cls=Command)(list_waivers)
    group.command(cls=Command)(revoke)
    app.add_typer(group, name="waivers")


def waive(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id, as FIT013.")],
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Exactly the path that the report shows.")
    ],
    alias: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL[@ALIAS]", help="Where; production by default.", show_default=False
        ),
    ] = None,
    *,
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why it may pass.")],
    until: Annotated[
        str, typer.Option(metavar="DAY", help="The last day it is good for, as 2026-12-31, in UTC.")
    ],
    every_alias: Annotated[
        bool, typer.Option("--every-alias", help="For every alias of the model.")
    ] = False,
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Let one finding pass until a day."""
    with connected(context) as session:
        name = session.names.alias(alias)
        request = CreateWaiverRequest(
            model=name.split("/")[1],
            alias="" if every_alias else name,
            rule=rule.upper(),
            path=path,
            owner=owner,
            reason=reason,
            expire_date=until,
            request_id=new_request_id(),
            validate_only=dry_run,
        )
        waiver = session.client.policies.CreateWaiver(request).waiver
    where = f"every alias of {request.model}" if every_alias else short_alias(name)
    if dry_run:
        say(f"{request.rule} at {path} can be waived on {where} until {until}")
        return
    if output is Format.JSON:
        write_json(plain(waiver))
    say(f"{waiver.name}: {request.rule} at {path} is waived on {where} until {until}")


def list_waivers(
    context: typer.Context,
    model: ModelFilter = None,
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Revoked and renewed ones, too.")] = False,
    limit: Limit = 100,
    output: Output = Format.TABLE,
) -> None:
    """List waivers; expired ones until somebody ends them."""
    with connected(context) as session:
        request = ListWaiversRequest(model=model or "", show_ended=ended)
        call = session.client.policies.ListWaivers
        found: list[RecordedWaiver] = pages(call, request, items="waivers", limit=limit)
        if not found:
            session.names.require(model)
    if output is Format.JSON:
        write_json([plain(waiver) for waiver in found])
        return
    rows = [
        (
            f"{one.name.split('/')[1]}/{last(one.name)}",
            short_alias(one.alias) if one.alias else "every alias",
            one.waiver.rule,
            one.waiver.path,
            _state(one),
            one.waiver.expire_date,
            one.waiver.owner,
            one.waiver.reason,
        )
        for one in found
    ]
    columns = ["waiver", "alias", "rule", "path", "state", "until", "owner", "reason"]
    write_table(columns, rows)


def revoke(
    context: typer.Context,
    waiver: Annotated[
        str, typer.Argument(metavar="WAIVER", help="2, delay/2 or models/delay/waivers/2.")
    ],
    *,
    reason: Annotated[str, typer.Option(help="Why it is to count again.")],
    output: Output = Format.TABLE,
) -> None:
    """End a waiver: the finding counts again."""
    with connected(context) as session:
        request = RevokeWaiverRequest(name=session.names.waiver(waiver), reason=reason)
        ended = session.client.policies.RevokeWaiver(request).waiver
    if output is Format.JSON:
        write_json(plain(ended))
    say(f"{ended.name} is revoked: {ended.waiver.rule} at {ended.waiver.path} counts again")


def _state(recorded: RecordedWaiver) -> str:
    state = enum_name(RecordedWaiver.State.DESCRIPTOR, recorded.state)
    if state == "ENDED":
        return f"ended by {recorded.ender}: {recorded.end_reason}"
    return "EXPIRED, counts again" if state == "EXPIRED" else "in force"
