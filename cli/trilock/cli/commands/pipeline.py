"""pipeline show, pipeline checkout, revert-patch: the commit of what is live."""

import sys
from typing import Annotated

import typer

from trilock.cli.exits import CommandError, Exit
from trilock.cli.input.commits import full_commit
from trilock.cli.input.options import AliasArgument, Output
from trilock.cli.output.plain import plain
from trilock.cli.output.streams import Format, clean, say, write, write_json, write_table
from trilock.cli.output.words import count, last
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected
from trilock.client.names import short_alias
from trilock.v1.pipeline_service_pb2 import (
    CheckoutPipelineRequest,
    GetPipelineRequest,
    GetRevertPatchRequest,
)


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.command(cls=Command)(show)
    group.command(cls=Command)(checkout)
    app.add_typer(group, name="pipeline", help="The pipeline commit of what is live.")
    app.command("revert-patch", cls=Command)(revert_patch)


def show(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    hashing: Annotated[bool, typer.Option("--hashing", help="Hash every object, too.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show the outputs of what is live, and what is lost.

    Exits with 3 if something could not be restored.
    """
    with connected(context) as session:
        request = GetPipelineRequest(alias=session.names.alias(alias), hashing=hashing)
        found = session.client.pipelines.GetPipeline(request)
    if output is Format.JSON:
        write_json(plain(found))
    else:
        rows = [
            (
                one.path,
                one.digest or "never made",
                "-" if one.size < 0 else f"{one.size:,}",
                "DVC" if one.cached else "git",
            )
            for one in found.outputs
        ]
        write_table(["output", "digest", "bytes", "in"], rows)
        for line in (*found.problems, *(f"stale: {line}" for line in found.stale)):
            write(clean(line))
    say(f"bundle {last(found.bundle)} was made at {found.revision}")
    if found.problems:
        raise CommandError(
            f"{count(len(found.problems), 'problem')}: it could not be restored as it was",
            code=Exit.FORBIDDEN,
        )


def checkout(
    context: typer.Context, alias: AliasArgument = None, *, output: Output = Format.TABLE
) -> None:
    """Restore the outputs of what is live, beside the server.

    They go into a fresh folder of the model's workspace, hashed while copied.
    """
    with connected(context) as session:
        request = CheckoutPipelineRequest(alias=session.names.alias(alias))
        done = session.client.pipelines.CheckoutPipeline(request)
    if output is Format.JSON:
        write_json(plain(done))
    else:
        write(f"current -> {done.folder}")
    say(
        f"{count(done.outputs, 'output')} of bundle {last(done.bundle)}, "
        f"commit {done.revision}, checked by hash"
    )


def revert_patch(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="The commit to go back from; HEAD of the server's clone by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the patch that makes HEAD agree with what is live.

    Of the feature repository's folder: trilock revert-patch | git apply
    """
    with connected(context) as session:
        request = GetRevertPatchRequest(
            alias=session.names.alias(alias),
            head=full_commit(head, option="--head") if head else "",
        )
        made = session.client.pipelines.GetRevertPatch(request)
    short = short_alias(request.alias)
    if not made.patch:
        say(f"{made.head[:12]} agrees with what is live on {short} ({made.revision[:12]})")
        return
    say(f"from {made.head[:12]} to {made.revision[:12]}, which is live on {short}")
    # As it is: a patch may hold bytes that are no text.
    sys.stdout.flush()
    sys.stdout.buffer.write(made.patch)
    sys.stdout.buffer.flush()
