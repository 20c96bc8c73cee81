"""record, bundles."""

from typing import Annotated

import typer
from google.protobuf.struct_pb2 import Struct

from trilock.cli.exits import UsageError
from trilock.cli.input.commits import full_commit
from trilock.cli.input.grammar import is_bundle, json_object, schema
from trilock.cli.input.options import DryRun, Limit, ModelArgument, Output
from trilock.cli.output.outcome import FailOn
from trilock.cli.output.plain import moment, plain
from trilock.cli.output.reports import exit_for_report, report_lines, verdict_of
from trilock.cli.output.streams import Format, say, write, write_json, write_table
from trilock.cli.output.words import last, when
from trilock.cli.running.command import Command
from trilock.cli.running.session import Session, connected, new_request_id, pages
from trilock.v1.bundle_pb2 import Bundle
from trilock.v1.bundle_service_pb2 import (
    GetBundleRequest,
    ListBundlesRequest,
    RecordBundleRequest,
)


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(record)
    app.command(cls=Command)(bundles)


def record(
    context: typer.Context,
    model: ModelArgument = None,
    *,
    model_version: Annotated[str, typer.Option(help="The version in the model registry.")],
    service: Annotated[
        str | None,
        typer.Option(help="The Feast feature service, captured at the commit.", show_default=False),
    ] = None,
    feature_schema: Annotated[
        str | None,
        typer.Option(
            metavar="SCHEMA", help="Or a recorded schema, as delay_v1/3.", show_default=False
        ),
    ] = None,
    commit: Annotated[
        str | None,
        typer.Option(
            help="The pipeline commit; HEAD of this repository by default.", show_default=False
        ),
    ] = None,
    serving_config: Annotated[
        str | None,
        typer.Option(
            metavar="JSON|@FILE",
            help="Delivered to serving processes as it is.",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Exit with 100 or 101 by the verdict, too.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Record what belongs together as a bundle, with its verdict.

    That is a model version, a feature schema, a pipeline commit and a serving
    config. An incompatible bundle is recorded too: only promoting it is refused.
    """
    if bool(service) == bool(feature_schema):
        raise UsageError("say either --service or --feature-schema")
    config = Struct()
    if serving_config:
        config.update(json_object(serving_config))
    with connected(context) as session:
        request = RecordBundleRequest(
            model=session.names.model(model),
            model_version=model_version,
            service=service or "",
            feature_schema=schema(feature_schema) if feature_schema else "",
            pipeline_revision=full_commit(commit),
            serving_config=config,
            request_id=new_request_id(),
            validate_only=dry_run,
        )
        response = session.client.bundles.RecordBundle(request)
    bundle = response.bundle
    if output is Format.JSON:
        write_json({"bundle": plain(bundle), "created": response.created})
    else:
        write("\n".join(report_lines(bundle.report, subject=bundle.name or "not recorded")))
    if bundle.name and not response.created:
        say(f"{bundle.name} was recorded before, by {bundle.creator}: nothing was added")
    elif bundle.name:
        say(f"next: trilock plan promote {_short(bundle.name)}")
    if fail_on is not None:
        raise typer.Exit(exit_for_report(bundle.report, fail_on=fail_on))


def bundles(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL|BUNDLE",
            help="Only this model's, or all about one bundle.",
            show_default=False,
        ),
    ] = None,
    *,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """List bundles, newest first; or show one."""
    with connected(context) as session:
        if what is not None and is_bundle(what):
            _show(_get(session, what), output=output)
            return
        request = ListBundlesRequest(model=what or "")
        found = pages(session.client.bundles.ListBundles, request, items="bundles", limit=limit)
        if not found:
            session.names.require(what)
    if output is Format.JSON:
        write_json([plain(bundle) for bundle in found])
        return
    rows = [
        (
            _short(bundle.name),
            bundle.model_version.version,
            _schema_name(bundle),
            bundle.pipeline_commit.revision[:12],
            verdict_of(bundle.report),
            f"on hold: {bundle.hold.reason}" if bundle.HasField("hold") else "-",
            bundle.creator,
            when(moment(bundle.create_time)),
        )
        for bundle in found
    ]
    write_table(
        ["bundle", "model version", "features", "commit", "verdict", "hold", "by", "recorded"], rows
    )


def _get(session: Session, text: str) -> Bundle:
    request = GetBundleRequest(name=session.names.bundle(text))
    return session.client.bundles.GetBundle(request).bundle


def _show(bundle: Bundle, *, output: Format) -> None:
    if output is Format.JSON:
        write_json(plain(bundle))
        return
    version, schema_, commit = bundle.model_version, bundle.feature_schema, bundle.pipeline_commit
    rows = [
        ("bundle", bundle.name),
        ("digest", bundle.digest),
        ("model", f"{version.registered_model} version {version.version}"),
        ("artifacts", version.location),
        ("features", schema_.name),
        ("project", schema_.project),
        ("commit", commit.revision),
        ("recorded", f"by {bundle.creator} {when(moment(bundle.create_time))}"),
    ]
    if bundle.HasField("hold"):
        hold = bundle.hold
        rows.append(
            ("hold", f"{hold.reason} (by {hold.principal} {when(moment(hold.create_time))})")
        )
    write_table(["", ""], rows)
    write("\n".join(report_lines(bundle.report, subject="when recorded")))


def _short(name: str) -> str:
    parts = name.split("/")
    return f"{parts[1]}/{parts[3]}" if len(parts) == 4 else name  # noqa: PLR2004


def _schema_name(bundle: Bundle) -> str:
    return f"{bundle.feature_schema.service}/{last(bundle.feature_schema.name)}"
