"""operations list, show, wait, cancel, retry."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from trilock.cli.input.grammar import operation as operation_name
from trilock.cli.input.options import PROMOTE_TIMEOUT_S, AliasFilter, Limit, Output, Reason
from trilock.cli.output.operations import has_switched, state_of, waits
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.streams import Format, clean, say, write, write_json, write_table
from trilock.cli.output.words import last, moment_of, shorter, when
from trilock.cli.running.command import Command
from trilock.cli.running.finishing import finish, seconds
from trilock.cli.running.session import Session, connected, pages
from trilock.client.names import short_alias
from trilock.v1.operation_pb2 import Operation
from trilock.v1.operation_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    RetryOperationRequest,
)

_Name = Annotated[
    str, typer.Argument(metavar="OPERATION", help="Its id, with or without `operations/`.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(
        help="Look at operations, wait for them, turn them back.", no_args_is_help=True
    )
    group.command("list", cls=Command)(list_operations)
    group.command(cls=Command)(show)
    group.command(cls=Command)(wait)
    group.command(cls=Command)(cancel)
    group.command(cls=Command)(retry)
    app.add_typer(group, name="operations")


def list_operations(
    context: typer.Context,
    alias: AliasFilter = None,
    *,
    active: Annotated[bool, typer.Option("--active", help="Only those not done.")] = False,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """List operations, newest first."""
    with connected(context) as session:
        request = ListOperationsRequest(
            alias=session.names.alias(alias) if alias else "", active_only=active
        )
        call = session.client.operations.ListOperations
        found: list[Operation] = pages(call, request, items="operations", limit=limit)
        if not found:
            session.names.require(request.alias)
    if output is Format.JSON:
        write_json([plain(operation) for operation in found])
        return
    rows = [
        (
            last(operation.name),
            operation.kind,
            short_alias(operation.alias),
            last(operation.bundle),
            state_of(operation),
            operation.cause.principal,
            moment_of(moment(operation.create_time)),
        )
        for operation in found
    ]
    columns = ["operation", "kind", "alias", "bundle", "state", "by", "began"]
    write_table(columns, rows, prose=(), once="alias")


def show(context: typer.Context, name: _Name, *, output: Output = Format.TABLE) -> None:
    """Show an operation, step by step, and what it waits for."""
    with connected(context) as session:
        operation = _get(session, name)
    if output is Format.JSON:
        write_json(plain(operation))
    else:
        write("\n".join(clean(line) for line in _lines(operation)))


def wait(
    context: typer.Context,
    name: _Name,
    *,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait at most.")
    ] = PROMOTE_TIMEOUT_S,
    output: Output = Format.TABLE,
) -> None:
    """Wait until an operation is done; 0 if it succeeded."""
    with connected(context) as session:
        operation = _get(session, name)
        followed = finish(
            session, operation, wait=True, timeout=timeout, output=output, joined=True
        )
    if followed is not None and output is Format.TABLE:
        write(f"{followed.operation.name} {state_of(followed.operation)}: {seconds(followed)}")


def cancel(
    context: typer.Context, name: _Name, *, reason: Reason = "", output: Output = Format.TABLE
) -> None:
    """Turn an operation back that has not switched yet."""
    with connected(context) as session:
        request = CancelOperationRequest(name=operation_name(name), reason=reason)
        operation = session.client.operations.CancelOperation(request).operation
    if output is Format.JSON:
        write_json(plain(operation))
    say(f"{operation.name} turns back: trilock operations wait {last(operation.name)}")


def retry(context: typer.Context, name: _Name, *, output: Output = Format.TABLE) -> None:
    """Try at once what an operation waits for."""
    with connected(context) as session:
        request = RetryOperationRequest(name=operation_name(name))
        operation = session.client.operations.RetryOperation(request).operation
    if output is Format.JSON:
        write_json(plain(operation))
    say(f"{operation.name} tries again now: trilock operations wait {last(operation.name)}")


def _get(session: Session, name: str) -> Operation:
    request = GetOperationRequest(name=operation_name(name))
    return session.client.operations.GetOperation(request).operation


def _lines(operation: Operation) -> Iterator[str]:
    cause = operation.cause
    short = partial(shorter, alias=operation.alias)
    width = max((len(step.step) for step in operation.steps), default=0)
    yield f"{operation.name}  {operation.kind} {state_of(operation)}"
    yield f"  alias    {short_alias(operation.alias)}, bundle {last(operation.bundle) or '-'}"
    why = f": {cause.reason}" if cause.reason else ""
    yield f"  began    {when(moment(operation.create_time))} by {cause.principal}{why}"
    if has_switched(operation):
        yield f"  switched at revision {operation.pivot_revision}"
    if operation.done:
        yield f"  done     {when(moment(operation.end_time))}"
    elif operation.HasField("deadline_time") and not has_switched(operation):
        yield f"  deadline {when(moment(operation.deadline_time))}"
    if operation.HasField("error"):
        yield f"  error    {operation.error.reason}: {short(operation.error.message)}"
    for step in operation.steps:
        # What is still tried is told below, with when it is tried again.
        error = f": {short(step.error)}" if step.error and operation.done else ""
        yield f"  {step.state:<8} {step.step:<{width}}  {short(step.title)}{error}"
    for plane in operation.planes:
        yield f"  {'AGREES' if plane.converged else 'FOLLOWS':<8} {plane.plane}"
    if not operation.done:
        yield from (f"  waits for {line}" for line in waits(operation))
