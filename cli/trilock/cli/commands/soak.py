"""pause, resume, abort: hold a release in its soak, or give a promotion up."""

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from trilock.cli.commands.rollback import tell_restored
from trilock.cli.exits import CommandError, Exit
from trilock.cli.input.options import (
    ROLLBACK_TIMEOUT_S,
    TIMEOUT_HELP,
    AliasArgument,
    DryRun,
    Output,
    Reason,
    Wait,
)
from trilock.cli.output.operations import state_of
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.plans import rollback_lines
from trilock.cli.output.streams import Format, clean, say, write, write_json
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.confirming import confirm
from trilock.cli.running.finishing import finish
from trilock.cli.running.session import Session, connected, new_request_id
from trilock.cli.running.waiting import follow, submitting
from trilock.client.errors import NotFoundError
from trilock.client.names import short_alias
from trilock.v1.operation_pb2 import Operation, OperationState
from trilock.v1.operation_service_pb2 import GetOperationRequest, ListOperationsRequest
from trilock.v1.release_service_pb2 import (
    AbortRequest,
    GetAliasRequest,
    PauseRequest,
    PlanRollbackRequest,
    PlanRollbackResponse,
    ResumeRequest,
)

_LOOKED_AT = 100
"""How many of the newest operations the promotion is looked for in."""


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(pause)
    app.command(cls=Command)(resume)
    app.command(cls=Command)(abort)


def pause(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Stop the clock of a soak, and keep it from finalize."""
    with connected(context) as session:
        name = session.names.alias(alias)
        request = PauseRequest(
            alias=name, reason=reason, request_id=new_request_id(), validate_only=dry_run
        )
        response = session.client.releases.Pause(request)
    short = short_alias(name)
    if dry_run:
        say(f"{short} can be paused")
        return
    if output is Format.JSON:
        write_json(plain(response))
    already = ""
    if response.already_done and response.release.pauses:
        first = response.release.pauses[-1]
        already = f"already done by {first.cause.principal} {when(moment(first.start_time))}: "
    say(clean(f"{already}{short} is paused: trilock resume {short}, or trilock rollback {short}"))


def resume(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Let a paused soak go on."""
    with connected(context) as session:
        name = session.names.alias(alias)
        request = ResumeRequest(
            alias=name, reason=reason, request_id=new_request_id(), validate_only=dry_run
        )
        response = session.client.releases.Resume(request)
    short = short_alias(name)
    if dry_run:
        say(f"{short} can be resumed")
        return
    if output is Format.JSON:
        write_json(plain(response))
    already = "it was not paused: " if response.already_done else ""
    say(f"{already}{short} soaks: trilock finalize {short}, or trilock rollback {short}")


def abort(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    reason: Reason = "",
    incident: Annotated[
        str, typer.Option(help="Id of the incident. Recorded.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Wait = True,
    timeout: Annotated[float, typer.Option(min=0, help=TIMEOUT_HELP)] = ROLLBACK_TIMEOUT_S,
    output: Output = Format.TABLE,
) -> None:
    """Give up the newest promotion, wherever it is.

    What has not switched yet is undone; what has is rolled back, and with it
    what went live with the same switch.
    """
    with connected(context) as session:
        name = session.names.alias(alias)
        short = short_alias(name)
        promotion = _newest_promotion(session, name)
        # Asked before a plan is shown: there may be nothing left to go back to.
        answer = session.client.releases.Abort(
            AbortRequest(operation=promotion.name, validate_only=True)
        )
        if answer.already_done:
            _tell_already_done(answer.operation, short=short, output=output)
            return
        aliases = list(answer.aliases) or [name]
        plans = _plans(session, aliases) if answer.rolls_back else []
        _tell_what(promotion, plans, aliases=aliases)
        confirm("abort", yes=yes, what="aborted")
        request = AbortRequest(
            operation=promotion.name,
            reason=reason,
            incident=incident,
            request_id=new_request_id(),
        )
        begun = time.monotonic()
        with submitting(name):
            response = session.client.releases.Abort(request)
        operation = response.operation
        if response.already_done:
            say(clean(f"already done by {operation.cause.principal}: {operation.name}"))
        if response.rolls_back or not wait:
            followed = finish(
                session, operation, wait=wait, timeout=timeout, output=output, begun=begun
            )
            if followed is not None:
                plans = plans or _plans(session, aliases)
                tell_restored(session, plans[0], followed, output=output)
                for planned in plans[1:]:
                    _tell_companion(session, planned, output=output)
            return
        # Being taken back is what it was asked for: no failure, unlike after a promote.
        undone = follow(session, operation, timeout=timeout, begun=begun).operation
    if output is Format.JSON:
        write_json({"operation": plain(undone)})
    if undone.state != OperationState.OPERATION_STATE_COMPENSATED:
        raise CommandError(f"{undone.name} ended as {state_of(undone)}", code=Exit.FORBIDDEN)
    if output is Format.TABLE:
        write(f"{undone.name} is undone; {short} is as it was")


def _plans(session: Session, aliases: Sequence[str]) -> list[PlanRollbackResponse]:
    return [
        session.client.releases.PlanRollback(
            PlanRollbackRequest(alias=alias, with_companions=len(aliases) > 1)
        )
        for alias in aliases
    ]


def _tell_what(
    promotion: Operation, plans: Sequence[PlanRollbackResponse], *, aliases: Sequence[str]
) -> None:
    """Say what abort does with *promotion*; there are *plans* if it has switched."""
    about = f"{promotion.name}, bundle {last(promotion.bundle)} on {short_alias(promotion.alias)}"
    several = ", ".join(map(short_alias, aliases)) if len(aliases) > 1 else ""
    if plans:
        together = f", {several} together" if several else ""
        say(clean(f"{about}: every reader has switched, so it is rolled back{together}"))
        for planned in plans:
            say("\n".join(rollback_lines(planned)))
    else:
        of_all = f" for {several}" if several else ""
        state = state_of(promotion)
        say(clean(f"{about}: {state}, nobody has switched; its steps are undone{of_all}"))


def _tell_companion(session: Session, plan: PlanRollbackResponse, *, output: Format) -> None:
    """Say what is live again on an alias that was switched with the leading one's pivot."""
    short = short_alias(plan.plan.alias)
    live = session.client.releases.GetAlias(GetAliasRequest(name=plan.plan.alias)).alias.live
    if output is Format.TABLE:
        write(f"{short} is back on bundle {last(live.bundle)} (release {last(live.name)}) with it")
    say(f"next: trilock status {short}")


def _tell_already_done(done: Operation, *, short: str, output: Format) -> None:
    """Say who gave the promotion up already."""
    say(
        clean(f"already done by {done.cause.principal}: {done.name}")
        if done.kind == "ROLL_BACK"
        else clean(f"already taken back: {done.name}")
    )
    say(f"next: trilock status {short}")
    if output is Format.JSON:
        write_json({"operation": plain(done), "already_done": True})


def _newest_promotion(session: Session, alias: str) -> Operation:
    # One that switches several aliases is on the list of the leading one only.
    working = _working_on(session, alias)
    if working:
        found = session.client.operations.GetOperation(GetOperationRequest(name=working)).operation
        if found.kind == "PROMOTE":
            return found
    request = ListOperationsRequest(alias=alias, page_size=_LOOKED_AT)
    for operation in session.client.operations.ListOperations(request).operations:
        if operation.kind == "PROMOTE":
            return operation
    raise CommandError(
        f"{short_alias(alias)} had no promotion lately: there is nothing to abort",
        code=Exit.FORBIDDEN,
    )


def _working_on(session: Session, alias: str) -> str:
    try:
        return session.client.releases.GetAlias(GetAliasRequest(name=alias)).alias.operation
    except NotFoundError:  # its first promotion is on its way
        return ""
