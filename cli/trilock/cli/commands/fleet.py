"""fleet, who-served: which processes serve what, and which ever did."""

from typing import Annotated

import typer

from trilock.cli.input.options import AliasArgument, Limit, Output
from trilock.cli.output.plain import enum_name, moment, plain
from trilock.cli.output.streams import Format, say, write, write_json, write_table
from trilock.cli.output.tree import fleet_line
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected, pages
from trilock.client.names import short_alias
from trilock.v1.fleet_pb2 import WatcherState
from trilock.v1.fleet_service_pb2 import ListAcknowledgementsRequest, ListWatchersRequest


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(fleet)
    app.command("who-served", cls=Command)(who_served)


def fleet(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    limit: Limit = 100,
    output: Output = Format.TABLE,
) -> None:
    """List the processes that serve an alias, and what each has.

    Those that do not serve the present revision come first.
    """
    with connected(context) as session:
        request = ListWatchersRequest(alias=session.names.alias(alias), page_size=1)
        counted = session.client.fleet.ListWatchers(request).fleet
        call = session.client.fleet.ListWatchers
        found = pages(call, request, items="watchers", limit=limit)
    if output is Format.JSON:
        write_json({"fleet": plain(counted), "watchers": [plain(one) for one in found]})
        return
    short = short_alias(request.alias)
    if not counted.watchers:
        say(f"no process reports that it serves {short}")
        return
    write(f"{short}: {fleet_line(counted)}")
    rows = [
        (
            one.name,
            enum_name(WatcherState.DESCRIPTOR, one.state),
            one.revision or "-",
            "warm" if one.standby_warm else "-",
            when(moment(one.acknowledge_time)),
            one.principal,
            one.refusal or "-",
        )
        for one in found
    ]
    columns = ["watcher", "state", "revision", "standby", "since", "as", "refuses because"]
    write_table(columns, rows)
    if counted.watchers > len(found):
        say(f"and {counted.watchers - len(found)} more: --limit shows them")


def who_served(
    context: typer.Context,
    revision: Annotated[
        int, typer.Argument(min=1, metavar="REVISION", help="A revision, as predictions carry it.")
    ],
    *,
    limit: Limit = 100,
    output: Output = Format.TABLE,
) -> None:
    """List the processes that served a revision, and since when.

    Also those that are long gone. One that refused it says why.
    """
    with connected(context) as session:
        request = ListAcknowledgementsRequest(revision=revision)
        call = session.client.fleet.ListAcknowledgements
        found = pages(call, request, items="acknowledgements", limit=limit)
    if output is Format.JSON:
        write_json([plain(one) for one in found])
        return
    if not found:
        say(f"nobody is known to have served revision {revision}")
        return
    rows = [
        (
            one.watcher,
            short_alias(one.alias),
            last(one.bundle) or "-",
            "REFUSED" if one.refusal else "SERVED",
            when(moment(one.acknowledge_time)),
            one.principal,
            one.refusal or "-",
        )
        for one in found
    ]
    columns = ["watcher", "alias", "bundle", "", "since", "as", "refused because"]
    write_table(columns, rows)
