"""promote, advance, finalize: forward, in two steps or more."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from trilock.cli.exits import CommandError, Exit
from trilock.cli.input.grammar import Names
from trilock.cli.input.options import (
    PROMOTE_TIMEOUT_S,
    TIMEOUT_HELP,
    AcceptWindow,
    AliasArgument,
    BundleArgument,
    DryRun,
    FeaturesFrom,
    FeaturesTo,
    Only,
    Output,
    Reason,
    Wait,
    With,
)
from trilock.cli.input.windows import window
from trilock.cli.output.reports import write_report
from trilock.cli.output.streams import Format, say, write
from trilock.cli.output.words import last
from trilock.cli.running.command import Command
from trilock.cli.running.derived import only as only_half
from trilock.cli.running.finishing import finish, seconds
from trilock.cli.running.session import Session, connected, new_request_id
from trilock.cli.running.waiting import submitting
from trilock.client.errors import IncompatibleError, UndecidableError
from trilock.client.names import short_alias
from trilock.v1.check_service_pb2 import CheckRequest
from trilock.v1.release_service_pb2 import (
    AdvanceRequest,
    Companion,
    FinalizeRequest,
    GetAliasRequest,
    PromoteRequest,
)

_Timeout = Annotated[float, typer.Option(min=0, help=TIMEOUT_HELP)]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(promote)
    app.command(cls=Command)(advance)
    app.command(cls=Command)(finalize)


def promote(
    context: typer.Context,
    bundle: BundleArgument,
    alias: AliasArgument = None,
    *,
    together: With = None,
    features_from: FeaturesFrom = None,
    features_to: FeaturesTo = None,
    plan: Annotated[
        str, typer.Option(metavar="ID", help="Refuse unless this is the plan.", show_default=False)
    ] = "",
    reason: Reason = "",
    accept_unready: Annotated[
        str,
        typer.Option(
            metavar="WHY",
            help="Promote although what is replaced could not be restored.",
            show_default=False,
        ),
    ] = "",
    canary: Annotated[
        int,
        typer.Option(
            min=0,
            max=99,
            metavar="PERCENT",
            help="Only for so many of a hundred requests, beside what is live.",
            show_default=False,
        ),
    ] = 0,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Only for a copy of the requests.")
    ] = False,
    dry_run: DryRun = False,
    wait: Wait = True,
    timeout: _Timeout = PROMOTE_TIMEOUT_S,
    deadline: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="Turn back unless it has switched after so many seconds.",
            show_default=False,
        ),
    ] = None,
    only: Only = None,
    accept_window: AcceptWindow = "",
    output: Output = Format.TABLE,
) -> None:
    """Make a bundle live, after a check made now.

    Until it is finalized its writes stay in staging tables.
    """
    with connected(context) as session:
        name, where = session.names.placed(bundle, alias)
        name = only_half(session, name, alias=where, half=only)
        request = PromoteRequest(
            alias=where,
            bundle=name,
            feature_window=window(features_from, features_to),
            companions=companions(session.names, together),
            plan=plan,
            reason=reason,
            accept_unready=accept_unready,
            accept_window=accept_window,
            request_id=new_request_id(),
            validate_only=dry_run,
            canary_percent=canary,
            shadow=shadow,
        )
        if deadline is not None:
            request.deadline.FromNanoseconds(int(deadline * 1e9))
        with _showing_report(session, request, output=output):
            begun = time.monotonic()
            with submitting(where):
                response = session.client.releases.Promote(request)
            if dry_run:
                for alias_, bundle_ in _subjects(request):
                    say(f"bundle {last(bundle_)} can be promoted to {short_alias(alias_)}")
                return
            followed = finish(
                session,
                response.operation,
                wait=wait,
                timeout=timeout,
                output=output,
                begun=begun,
            )
        if followed is None:
            return
        what = f"gets {canary} % of the requests of" if canary else "is live on"
        what = "gets a copy of the requests of" if shadow else what
        if output is Format.TABLE:
            live = [
                f"bundle {last(bundle_)} {what} {short_alias(alias_)}"
                for alias_, bundle_ in _subjects(request)
            ]
            write(f"{', '.join(live)}: {seconds(followed)}")
        for companion in request.companions:
            _say_what_follows(session, companion.alias)
    for alias_, _ in _subjects(request):
        short = short_alias(alias_)
        go_on = "" if shadow else f"trilock finalize {short}, or "
        go_on = f"trilock advance PERCENT {short}, or " if canary else go_on
        say(f"next: {go_on}trilock rollback {short}{' --shadow' if shadow else ''}")


def advance(
    context: typer.Context,
    percent: Annotated[
        int, typer.Argument(min=1, max=100, metavar="PERCENT", help="Of a hundred requests.")
    ],
    alias: AliasArgument = None,
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    wait: Wait = True,
    timeout: _Timeout = PROMOTE_TIMEOUT_S,
    output: Output = Format.TABLE,
) -> None:
    """Give the canary another share of the requests.

    At 100 it goes live, and its soak begins.
    """
    with connected(context) as session:
        request = AdvanceRequest(
            alias=session.names.alias(alias),
            percent=percent,
            reason=reason,
            request_id=new_request_id(),
            validate_only=dry_run,
        )
        short = short_alias(request.alias)
        begun = time.monotonic()
        with submitting(request.alias):
            response = session.client.releases.Advance(request)
        if dry_run:
            say(f"the canary of {short} can be given {percent} %")
            return
        followed = finish(
            session, response.operation, wait=wait, timeout=timeout, output=output, begun=begun
        )
    if followed is not None and output is Format.TABLE:
        bundle = last(followed.operation.bundle)
        all_of_it = percent == 100  # noqa: PLR2004 - of a hundred
        what = "is live on" if all_of_it else f"gets {percent} % of the requests of"
        write(f"bundle {bundle} {what} {short}: {seconds(followed)}")


def finalize(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    reason: Reason = "",
    dry_run: DryRun = False,
    wait: Wait = True,
    timeout: _Timeout = PROMOTE_TIMEOUT_S,
    output: Output = Format.TABLE,
) -> None:
    """End the soak: staged rows move into their tables."""
    with connected(context) as session:
        name = session.names.alias(alias)
        request = FinalizeRequest(
            alias=name, reason=reason, request_id=new_request_id(), validate_only=dry_run
        )
        begun = time.monotonic()
        with submitting(name):
            response = session.client.releases.Finalize(request)
        if dry_run:
            say(f"{short_alias(name)} can be finalized")
            return
        followed = finish(
            session, response.operation, wait=wait, timeout=timeout, output=output, begun=begun
        )
    if followed is not None and output is Format.TABLE:
        bundle = last(followed.operation.bundle)
        write(f"bundle {bundle} is final on {short_alias(name)}: {seconds(followed)}")


def companions(names: Names, together: list[str] | None) -> list[Companion]:
    """Return what is to go live with the same pivot.

    Raises:
        UsageError: One of them is malformed.
    """
    found = [names.companion(text) for text in together or []]
    return [Companion(alias=alias, bundle=bundle) for alias, bundle in found]


def _subjects(request: PromoteRequest) -> list[tuple[str, str]]:
    """Return each alias with the bundle that goes live on it."""
    others = [(one.alias, one.bundle) for one in request.companions]
    return [(request.alias, request.bundle), *others]


def _say_what_follows(session: Session, name: str) -> None:
    """Say if the planes of a companion do not agree yet: it has an operation of its own."""
    operation = session.client.releases.GetAlias(GetAliasRequest(name=name)).alias.operation
    if operation:
        what = operation.removeprefix("operations/")
        say(f"{short_alias(name)} still follows: trilock operations wait {what}")


@contextmanager
def _showing_report(session: Session, request: PromoteRequest, *, output: Format) -> Iterator[None]:
    """Write every finding when the promotion is refused for them."""
    subject = f"bundle {last(request.bundle)} on {short_alias(request.alias)}"
    try:
        yield
    except (IncompatibleError, UndecidableError) as error:
        # With companions it may be one of them that does not fit.
        for alias, bundle in _subjects(request):
            if error.metadata.get("subject") == bundle:
                subject = f"bundle {last(bundle)} on {short_alias(alias)}"
        if error.report is not None:
            write_report(error.report, subject=subject, output=output)
        raise
    except CommandError as error:
        # The operation itself checked and turned back: it knows one line of
        # the verdict. With JSON, the operation is on stdout already.
        alone = not request.companions
        if alone and error.code is Exit.INCOMPATIBLE and output is Format.TABLE:
            check = CheckRequest(alias=request.alias, bundle=request.bundle)
            report = session.client.checks.Check(check).report
            write_report(report, subject=subject, output=output)
        raise
