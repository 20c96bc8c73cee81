"""features capture, list, materialize, retire."""

from datetime import datetime
from typing import Annotated

import typer

from trilock.cli.exits import CommandError, Exit
from trilock.cli.input.commits import full_commit
from trilock.cli.input.options import Limit, ModelArgument, ModelFilter, Output
from trilock.cli.input.windows import window
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.streams import Format, clean, say, write_json, write_table
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected, pages
from trilock.client.errors import TrilockError
from trilock.v1.bundle_pb2 import FeatureSchema
from trilock.v1.bundle_service_pb2 import (
    CaptureFeatureSchemaRequest,
    ListFeatureSchemasRequest,
)
from trilock.v1.feature_service_pb2 import (
    FeatureProject,
    FeatureViewState,
    ListFeatureProjectsRequest,
    MaterializeFeaturesRequest,
    RetireFeaturesRequest,
)


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(
        help="Capture feature schemas, and keep their projects filled.", no_args_is_help=True
    )
    group.command(cls=Command)(capture)
    group.command("list", cls=Command)(list_features)
    group.command(cls=Command)(materialize)
    group.command(cls=Command)(retire)
    app.add_typer(group, name="features")


def capture(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The Feast feature service.")],
    model: ModelArgument = None,
    *,
    commit: Annotated[
        str | None,
        typer.Option(
            help="Capture from the feature repository at this commit; by default from the base "
            "project as it is.",
            show_default=False,
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Record what a feature service delivers; touches nothing."""
    with connected(context) as session:
        request = CaptureFeatureSchemaRequest(
            model=session.names.model(model),
            service=service,
            revision=full_commit(commit) if commit else "",
        )
        response = session.client.bundles.CaptureFeatureSchema(request)
    if output is Format.JSON:
        write_json(plain(response))
        return
    schema = response.feature_schema
    rows = [
        ("feature schema", schema.name),
        ("project", schema.project),
        ("contract", schema.contract_digest),
        ("semantics", schema.semantics_digest),
        ("docs", schema.docs_digest),
        ("objects", len(schema.objects)),
    ]
    write_table(["", ""], rows)
    say("recorded" if response.created else "recorded before: nothing was added")


def list_features(
    context: typer.Context,
    model: ModelFilter = None,
    *,
    schemas: Annotated[
        bool, typer.Option("--schemas", help="List recorded feature schemas instead.")
    ] = False,
    service: Annotated[
        str, typer.Option(help="Only this service's schemas.", show_default=False)
    ] = "",
    limit: Limit = 100,
    output: Output = Format.TABLE,
) -> None:
    """List the projects to keep filled, and how far they are."""
    with connected(context) as session:
        if schemas or service:
            request = ListFeatureSchemasRequest(service=service)
            call = session.client.bundles.ListFeatureSchemas
            _write_schemas(
                pages(call, request, items="feature_schemas", limit=limit), output=output
            )
            return
        projects = pages(
            session.client.features.ListFeatureProjects,
            ListFeatureProjectsRequest(model=model or ""),
            items="feature_projects",
            limit=limit,
        )
        if not projects:
            session.names.require(model)
    _write_projects(projects, output=output)


def materialize(
    context: typer.Context,
    model: ModelFilter = None,
    *,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="First event time; by default each view goes on from where it is.",
            show_default=False,
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="Up to this event time; now by default.",
            show_default=False,
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Fill every project that is read, live or as a target.

    Safe to repeat; what cron or an orchestrator calls. A view that fails stops no other one;
    it is named at the end, and the exit code is 3.
    """
    filled: list[tuple[str, FeatureViewState]] = []
    with connected(context) as session:
        request = MaterializeFeaturesRequest(model=model or "", window=window(start, end))
        try:
            for response in session.client.features.MaterializeFeatures(request):
                if response.progress:
                    say(clean(f"{response.project}: {response.progress}"))
                filled += [(response.project, view) for view in response.views]
            if not filled:
                session.names.require(model)
        except TrilockError:
            if filled:  # that was filled, whatever else failed
                _write_filled(filled, output=output)
            raise
    _write_filled(filled, output=output)


def retire(
    context: typer.Context,
    model: ModelFilter = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Remove projects that no release has needed for long.

    How long is `retire_after_days` in the settings. What a live bundle, a rollback target or a
    running operation needs is never removed.
    """
    with connected(context) as session:
        request = RetireFeaturesRequest(model=model or "", validate_only=dry_run)
        found = session.client.features.RetireFeatures(request).retirements
    if output is Format.JSON:
        write_json([plain(retirement) for retirement in found])
    else:
        columns = ["project", "schema", "needed until", "retired"]
        rows = [
            (
                retirement.project,
                retirement.feature_schema,
                when(moment(retirement.needed_until_time)),
                ("would be" if dry_run else "yes")
                if retirement.retired
                else f"from {when(moment(retirement.retire_time))}",
            )
            for retirement in found
        ]
        write_table(columns, rows)
    for retirement in found:
        for line in retirement.remains:
            say(clean(f"{retirement.project} still has {line}"))
    failed = [retirement for retirement in found if retirement.error]
    if failed:
        raise CommandError(
            "\n".join(f"{each.project} was not retired: {each.error}" for each in failed),
            code=Exit.FORBIDDEN,
        )


def _write_filled(filled: list[tuple[str, FeatureViewState]], *, output: Format) -> None:
    if output is Format.JSON:
        write_json([{"project": project, **plain(view)} for project, view in filled])
        return
    rows = [(project, view.view, _rows(view), _fed(view)) for project, view in filled]
    write_table(["project", "view", "rows", "fed until"], rows)


def _write_schemas(found: list[FeatureSchema], *, output: Format) -> None:
    if output is Format.JSON:
        write_json([plain(schema) for schema in found])
        return
    rows = [
        (
            f"{schema.service}/{last(schema.name)}",
            schema.project,
            schema.contract_digest[:12],
            schema.semantics_digest[:12],
            schema.source_revision[:12] or "-",
            schema.creator,
            when(moment(schema.create_time)),
        )
        for schema in found
    ]
    write_table(["schema", "project", "contract", "semantics", "commit", "by", "captured"], rows)


def _write_projects(found: list[FeatureProject], *, output: Format) -> None:
    if output is Format.JSON:
        write_json([plain(project) for project in found])
        return
    rows = [
        (
            project.project,
            project.feature_schema,
            ", ".join(project.releases) or "-",
            view.view,
            _rows(view),
            _fed(view),
        )
        for project in found
        for view in project.views
    ]
    write_table(["project", "schema", "read by", "view", "rows", "fed until"], rows)
    for project in found:
        for view in project.views:
            if view.cold:
                say(clean(f"{project.project}: {view.view} is not kept warm: {view.cold}"))
        if project.error:
            say(clean(f"{project.project} could not be looked at: {project.error}"))


def _rows(view: FeatureViewState) -> str:
    return "-" if view.rows < 0 else f"{view.rows:,}"


def _fed(view: FeatureViewState) -> str:
    until: datetime | None = moment(view.fed_until_time)
    return when(until)
