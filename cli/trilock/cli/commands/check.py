"""check: would this work where it is to go live?"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Never

import typer

from trilock.cli.checking.baselines import from_file, from_server, write_file
from trilock.cli.checking.changes import outcome_of_change, outcome_of_unreadable
from trilock.cli.checking.places import Places
from trilock.cli.checking.severities import reweighed
from trilock.cli.exits import CommandError, Exit, UsageError
from trilock.cli.input.commits import full_commit
from trilock.cli.input.grammar import Names, schema
from trilock.cli.output.formats import FORMATS, CheckFormat
from trilock.cli.output.outcome import FailOn, Outcome
from trilock.cli.output.reports import outcome_of
from trilock.cli.output.words import last
from trilock.cli.running.command import Command, fail
from trilock.cli.running.extras import call
from trilock.cli.running.session import connected
from trilock.client.names import short_alias
from trilock.compat import (
    Reader,
    RepositoryDefinitions,
    check_change,
    service_readers,
)
from trilock.v1.check_service_pb2 import Candidate, CheckRequest


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command(cls=Command)(check)


def check(
    context: typer.Context,
    bundle: Annotated[
        str | None,
        typer.Argument(
            metavar="BUNDLE",
            help="17, delay/17 or models/delay/bundles/17; or describe a candidate by options.",
            show_default=False,
        ),
    ] = None,
    alias: Annotated[
        str | None,
        typer.Option(
            "--alias",
            metavar="MODEL[@ALIAS]",
            help="Where it would go live; production by default. With --repo: only what this "
            "alias reads; every alias by default.",
            show_default=False,
        ),
    ] = None,
    *,
    model_version: Annotated[
        str | None, typer.Option(help="A candidate's model version.", show_default=False)
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            help="A candidate's feature service. With --repo: only who reads this one.",
            show_default=False,
        ),
    ] = None,
    feature_schema: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEMA", help="Or its recorded schema, as delay_v1/3.", show_default=False
        ),
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option(
            help="A candidate's pipeline commit; HEAD of this repository by default.",
            show_default=False,
        ),
    ] = None,
    repo: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Judge what this Feast repository defines, as it is on disk, for every live "
            "bundle and every rollback target. Runs the repository's Python.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Judge it by this file, without a server.",
            show_default=False,
        ),
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the file: who reads what now, or with --repo what its services deliver.",
            show_default=False,
        ),
    ] = None,
    severity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE=SEVERITY",
            help="With --repo: let a rule weigh more or less than policies say, e.g. "
            "CON002=warning; may be repeated.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=1.0, help="Seconds that the repository's Python may take."),
    ] = 120.0,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 101 on warnings too.")] = FailOn.ERROR,
    output: Annotated[
        CheckFormat, typer.Option("--output", "-o", help="How the outcome is written to stdout.")
    ] = CheckFormat.TEXT,
) -> None:
    """Say whether a bundle or a change would work.

    A recorded bundle; or a tuple that is not recorded yet, by options; or a
    Feast repository on disk, by --repo. Changes nothing.
    """
    described = [model_version, feature_schema, commit]
    if repo is None and (baseline is not None or severity):
        raise UsageError("--baseline and --severity are for --repo: say --repo too")
    if repo is None and write_baseline is None:
        with connected(context) as session:
            request, subject = _request(
                session.names,
                bundle=bundle,
                alias=alias,
                model_version=model_version,
                service=service,
                feature_schema=feature_schema,
                commit=commit,
            )
            report = session.client.checks.Check(request).report
        _end(outcome_of(report, subject=subject), output=output, fail_on=fail_on)
    if bundle is not None or any(described):
        raise UsageError("say a BUNDLE or a candidate, or --repo or --write-baseline, not both")
    if write_baseline is not None:
        if baseline is not None:
            raise UsageError("say --baseline or --write-baseline, not both")
        known = (
            from_server(context) if repo is None else service_readers(_read(repo, timeout=timeout))
        )
        write_file(write_baseline, known)
        return
    assert repo is not None  # noqa: S101 - for the type: it was looked at above
    readers = from_file(baseline) if baseline is not None else from_server(context)
    readers = reweighed(readers, severity or [])
    wanted = _wanted(context, readers, alias=alias, service=service, offline=baseline is not None)
    try:
        now = _read(repo, timeout=timeout)
    except UnreadableError as error:
        if output is CheckFormat.TEXT:
            raise
        # Whoever reads an outcome waits for one: an empty file would be an error of its own.
        fail(str(error))
        _end(outcome_of_unreadable(error.problem, repository=repo), output=output, fail_on=fail_on)
    change = check_change(now, readers=wanted, today=datetime.now(tz=UTC).date())
    outcome = outcome_of_change(change, repository=str(repo), places=Places(repo))
    _end(outcome, output=output, fail_on=fail_on)


class UnreadableError(CommandError):
    """The repository's code raised, ended its process, or took too long: no verdict."""

    def __init__(self, *, repository: Path, problem: str) -> None:
        super().__init__(
            f"undecidable: the feature repository {str(repository)!r} cannot be read: {problem}",
            code=Exit.ERROR,
        )
        self.problem = problem


def _end(outcome: Outcome, *, output: CheckFormat, fail_on: FailOn) -> Never:
    form = FORMATS[output.value]
    sys.stdout.write(form.render(outcome))
    if form.afterwards is not None:
        form.afterwards(outcome)
    raise typer.Exit(outcome.exit(fail_on=fail_on))


def _read(repo: Path, *, timeout: float) -> RepositoryDefinitions:
    """Return what the repository defines.

    Raises:
        UnreadableError: It cannot be read, or its code raised or took too long.
        CommandError: There is no such folder, or an extra is missing.
    """
    try:
        found: RepositoryDefinitions = call(
            "trilock.server.planes.feast.working_tree",
            "read_repository",
            repo,
            purpose="`trilock check --repo`",
            seconds=timeout,
        )
    except CommandError as error:
        if error.code is not Exit.FORBIDDEN:
            raise
        raise UnreadableError(repository=repo, problem=str(error)) from error
    return found


def _wanted(
    context: typer.Context,
    readers: tuple[Reader, ...],
    *,
    alias: str | None,
    service: str | None,
    offline: bool,
) -> tuple[Reader, ...]:
    """Return the readers that the options ask for.

    Raises:
        UsageError: There is none.
    """
    if alias is not None:
        models = sorted({reader.alias.split("/")[1] for reader in readers if reader.alias})
        if offline:
            full = Names(lambda: models).alias(alias)
        else:
            with connected(context) as session:
                full = session.names.alias(alias)
        readers = tuple(reader for reader in readers if reader.alias == full)
        if not readers:
            raise UsageError(f"nothing is live on {short_alias(full)}")
    if service is not None:
        known = sorted({reader.service for reader in readers})
        readers = tuple(reader for reader in readers if reader.service == service)
        if not readers:
            raise UsageError(
                f"nobody reads feature service {service!r}; there is: {', '.join(known) or 'none'}"
            )
    return readers


def _request(
    names: Names,
    *,
    bundle: str | None,
    alias: str | None,
    model_version: str | None,
    service: str | None,
    feature_schema: str | None,
    commit: str | None,
) -> tuple[CheckRequest, str]:
    """Return the request, and what to call its subject."""
    described = [model_version, service, feature_schema, commit]
    if bundle is not None:
        if any(described):
            raise UsageError("say a BUNDLE, or describe a candidate by options, not both")
        name, full = names.placed(bundle, alias)
        return CheckRequest(alias=full, bundle=name), f"bundle {last(name)} on {short_alias(full)}"
    if not model_version or bool(service) == bool(feature_schema):
        raise UsageError(
            "say a BUNDLE, or --model-version with either --service or --feature-schema, or --repo"
        )
    full = names.alias(alias)
    candidate = Candidate(
        model_version=model_version,
        service=service or "",
        feature_schema=schema(feature_schema) if feature_schema else "",
        pipeline_revision=full_commit(commit),
    )
    subject = f"model version {model_version} on {short_alias(full)}"
    return CheckRequest(alias=full, candidate=candidate), subject
