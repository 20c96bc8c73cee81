"""check: would this work where it is to go live?"""

from typing import Annotated

import typer

from trilock.cli.commits import full_commit
from trilock.cli.exits import UsageError
from trilock.cli.grammar import Names, schema
from trilock.cli.options import Output
from trilock.cli.output import Format
from trilock.cli.reporting import Command
from trilock.cli.reports import FailOn, exit_for_report, write_report
from trilock.cli.session import connected
from trilock.cli.words import last
from trilock.client.names import short_alias
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
            help="Where it would go live; production by default.",
            show_default=False,
        ),
    ] = None,
    *,
    model_version: Annotated[
        str | None, typer.Option(help="A candidate's model version.", show_default=False)
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="A candidate's feature service.", show_default=False)
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
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 101 on warnings too.")] = FailOn.ERROR,
    output: Output = Format.TABLE,
) -> None:
    """Say whether a bundle would work; changes nothing.

    Instead of a bundle, options may describe a tuple that is not recorded yet.
    """
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
    write_report(report, subject=subject, output=output)
    raise typer.Exit(exit_for_report(report, fail_on=fail_on))


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
        name = names.bundle(bundle)
        full = names.alias(alias, model=name.split("/")[1])
        return CheckRequest(alias=full, bundle=name), f"bundle {last(name)} on {short_alias(full)}"
    if not model_version or bool(service) == bool(feature_schema):
        raise UsageError(
            "say a BUNDLE, or --model-version with either --service or --feature-schema"
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
