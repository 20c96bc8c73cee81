"""rollback: one command, nothing to look up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from trilock.cli.exits import CommandError, Exit, UsageError, exit_for
from trilock.cli.input.options import (
    ROLLBACK_TIMEOUT_S,
    TIMEOUT_HELP,
    AliasArgument,
    Config,
    Output,
    Reason,
    Wait,
)
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.plans import rollback_lines
from trilock.cli.output.streams import Format, clean, say, write, write_json
from trilock.cli.output.words import count, fleet_time, last, when
from trilock.cli.running.command import Command
from trilock.cli.running.confirming import confirm
from trilock.cli.running.finishing import finish, seconds
from trilock.cli.running.session import Session, connected, local_session, new_request_id
from trilock.cli.running.waiting import (
    Followed,
    InterruptedWaitError,
    StillRunningError,
    submitting,
)
from trilock.client.errors import TrilockError, UnavailableError
from trilock.client.names import short_alias
from trilock.v1.operation_service_pb2 import ListOperationsRequest
from trilock.v1.release_pb2 import Alias, Release, ReleaseKind, ReleaseState
from trilock.v1.release_service_pb2 import (
    GetAliasRequest,
    GetReleaseRequest,
    PlanRollbackRequest,
    PlanRollbackResponse,
    RollBackRequest,
)


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command(cls=Command)(rollback)


def rollback(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Not to the target, but to this one, which was final here before.",
            show_default=False,
        ),
    ] = None,
    shadow: Annotated[
        bool,
        typer.Option(
            "--shadow", help="End the trial of the shadow instead; what is live serves on."
        ),
    ] = False,
    reason: Reason = "",
    incident: Annotated[
        str, typer.Option(help="Id of the incident. Recorded.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and do nothing.")
    ] = False,
    wait: Wait = True,
    timeout: Annotated[float, typer.Option(min=0, help=TIMEOUT_HELP)] = ROLLBACK_TIMEOUT_S,
    local: Annotated[
        bool, typer.Option("--local", help="Without a server: do it in this process.")
    ] = False,
    config: Config = None,
    output: Output = Format.TABLE,
) -> None:
    """Go back to what was live and good before.

    Model, features, pipeline and sinks go back together.
    Shows what it will do and asks once. Within 15 minutes of another rollback
    of the alias it does nothing, unless --to says where. While a canary runs
    it is the canary that is taken back.
    """
    if shadow and to:
        raise UsageError("say --shadow, which ends a trial, or --to, which leaves what is live")
    if local and not wait:
        raise UsageError("--local does it in this process: it cannot be left with --no-wait")
    with local_session(config) if local else _connected(context) as session:
        name = session.names.alias(alias)
        to_bundle = session.names.bundle(to, model=name.split("/")[1]) if to else ""
        found = session.client.releases.GetAlias(GetAliasRequest(name=name)).alias
        if shadow and not found.HasField("shadow"):
            raise CommandError(f"{short_alias(name)} has no shadow", code=Exit.FORBIDDEN)
        pressed_again = not (to_bundle or dry_run or shadow)
        if pressed_again and _already_done(session, found, output=output):
            return
        leaves = found.shadow.name if shadow else ""
        plan = session.client.releases.PlanRollback(
            PlanRollbackRequest(alias=name, to_bundle=to_bundle, leaves=leaves)
        )
        if dry_run:
            _write_plan(plan, output=output)
            return
        say("\n".join(_lines(plan)))
        confirm("roll back", yes=yes, what="rolled back")
        request = RollBackRequest(
            alias=name,
            leaves=plan.leaves.name,
            to_bundle=to_bundle,
            reason=reason,
            incident=incident,
            request_id=new_request_id(),
        )
        begun = time.monotonic()
        with submitting(name):
            response = session.client.releases.RollBack(request)
        operation = response.operation
        if response.already_done:
            say(clean(f"already done by {operation.cause.principal}: {operation.name}"))
        try:
            followed = finish(
                session, operation, wait=wait, timeout=timeout, output=output, begun=begun
            )
        except (InterruptedWaitError, StillRunningError):
            if local:
                say("it goes on with the next server: trilock serve")
            raise
        if followed is not None:
            tell_restored(session, plan, followed, output=output)


@contextmanager
def _connected(context: typer.Context) -> Iterator[Session]:
    """Yield a session as `connected`; without a server, tell of the way back that needs none."""
    try:
        with connected(context) as session:
            yield session
    except UnavailableError as error:
        raise CommandError(
            f"{error}\n"
            "  without a server, on the machine of its SQLite file: trilock rollback --local",
            code=exit_for(error),
        ) from error


def _already_done(session: Session, alias: Alias, *, output: Format) -> bool:
    """Say who rolled *alias* back a moment ago, if the server says that somebody did."""
    if alias.HasField("canary"):
        return False  # it came after whatever was done before, and is taken back now
    live, name = alias.live, alias.name
    took_back = _newest_took_back_a_trial(session, alias)
    if live.kind != ReleaseKind.RELEASE_KIND_ROLLBACK and not took_back:
        return False
    # Asked before a plan is shown: one that goes further back would only frighten.
    answer = session.client.releases.RollBack(
        RollBackRequest(alias=name, leaves=live.name, validate_only=True)
    )
    # An operation that makes another release is a new press of somebody else's.
    made = answer.operation.release
    if not answer.already_done or (made and made != live.name):
        return False
    who, short, bundle = answer.operation.cause.principal, short_alias(name), last(live.bundle)
    done = (
        f"{short} is back on bundle {bundle} since {when(moment(live.start_time))}"
        if made
        else f"all requests of {short} are bundle {bundle}'s again "
        f"since {when(moment(answer.operation.create_time))}"
    )
    say(
        clean(f"already done by {who}: {done}")
        + f"\nto go back further, say where: trilock rollback {short} --to BUNDLE "
        + f"(trilock history {short})"
    )
    if output is Format.JSON:
        write_json(
            {"operation": plain(answer.operation), "already_done": True, "release": plain(live)}
        )
    return True


def _newest_took_back_a_trial(session: Session, alias: Alias) -> bool:
    request = ListOperationsRequest(alias=alias.name, page_size=1)
    try:
        newest = session.client.operations.ListOperations(request).operations
    except TrilockError:  # it is only asked to spare a second plan: no reason not to roll back
        return False
    return any(one.kind == "ROLL_BACK" and not one.release for one in newest)


def _lines(plan: PlanRollbackResponse) -> list[str]:
    return list(rollback_lines(plan))


def _write_plan(plan: PlanRollbackResponse, *, output: Format) -> None:
    if output is Format.JSON:
        write_json(plain(plan))
    else:
        write("\n".join(_lines(plan)))


def tell_restored(
    session: Session, plan: PlanRollbackResponse, followed: Followed, *, output: Format
) -> None:
    """Say what is live again, in how many seconds, and what to do next."""
    short = short_alias(plan.plan.alias)
    if output is Format.TABLE and plan.leaves.state == ReleaseState.RELEASE_STATE_SHADOW:
        write(f"bundle {last(plan.leaves.bundle)} is no shadow of {short} any more")
    elif output is Format.TABLE and not followed.operation.release:
        # What was on trial was taken back: the live release is the one that was live before.
        bundle = last(followed.operation.bundle)
        write(f"all requests of {short} are bundle {bundle}'s again: {seconds(followed)}")
    elif output is Format.TABLE:
        release = last(followed.operation.release)
        restored = (
            f"restores release {last(plan.restores.name)}"
            if plan.HasField("restores")
            else "serves the fallback bundle"
        )
        write(
            f"{short} is back on bundle {last(followed.operation.bundle)} "
            f"(release {release} {restored})"
        )
        write(f"{seconds(followed)}{_fleet(session, followed.operation.release)}")
    if output is Format.TABLE:
        left = session.client.releases.GetRelease(GetReleaseRequest(name=plan.leaves.name))
        for line in _quarantine(left.release):
            write(line)
    say(f"next: trilock status {short}")


def _fleet(session: Session, name: str) -> str:
    """Return how long it took until every process that was there had switched, if any was."""
    release = session.client.releases.GetRelease(GetReleaseRequest(name=name)).release
    if not release.acknowledged_watchers:
        return ""
    took = release.acknowledge_duration.ToMilliseconds() / 1000
    return f"; serving: {fleet_time(release.acknowledged_watchers, took)}"


def _quarantine(left: Release) -> list[str]:
    return [
        f"{last(sink.sink)}: {count(sink.staged_rows, 'row')} of release {last(left.name)} "
        "quarantined"
        for sink in left.sinks
        if sink.staged_rows
    ]
