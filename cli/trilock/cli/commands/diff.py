"""diff: what differs between two bundles, or two feature schemas."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import typer

from trilock.cli.exits import UsageError
from trilock.cli.input.grammar import schema
from trilock.cli.input.options import Output
from trilock.cli.output.plain import enum_name, plain
from trilock.cli.output.streams import Format, clean, write, write_json
from trilock.cli.output.words import count
from trilock.cli.running.command import Command
from trilock.cli.running.session import Session, connected
from trilock.v1.bundle_service_pb2 import Difference, DiffRequest
from trilock.v1.release_service_pb2 import GetAliasRequest

_SIGNS: Final = {"ADDED": "+", "REMOVED": "-", "CHANGED": "~"}
_SCHEMA: Final = "featureSchemas/"
_BUNDLE_PARTS: Final = ("model", "contract", "semantics", "docs", "pipeline", "serving")
_SCHEMA_PARTS: Final = ("contract", "semantics", "docs")


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command(cls=Command)(diff)


def diff(
    context: typer.Context,
    before: Annotated[
        str,
        typer.Argument(
            metavar="A", help="17, delay/17; what is live: delay@production; with --schemas: v1/3."
        ),
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
    *,
    schemas: Annotated[
        bool, typer.Option("--schemas", help="A and B are feature schemas, as delay_v1/3.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Show what differs between two bundles or schemas."""
    with connected(context) as session:
        first = _name(session, before, schemas=schemas)
        # The second is of the first one's model, if it names none.
        model = None if first.startswith(_SCHEMA) else first.split("/")[1]
        names = [first, _name(session, after, schemas=schemas, model=model)]
        if names[0].startswith(_SCHEMA) is not names[1].startswith(_SCHEMA):
            raise UsageError("a bundle and a feature schema cannot be compared")
        request = DiffRequest(before=names[0], after=names[1])
        found = session.client.bundles.Diff(request).differences
    if output is Format.JSON:
        write_json(
            {
                "before": names[0],
                "after": names[1],
                "differences": [plain(one) for one in found],
            }
        )
        return
    write("\n".join(_lines(names, found)))


def _name(session: Session, text: str, *, schemas: bool, model: str | None = None) -> str:
    if schemas or text.startswith(_SCHEMA):
        return schema(text)
    if "@" in text or "/aliases/" in text:
        request = GetAliasRequest(name=session.names.alias(text, model=model))
        return session.client.releases.GetAlias(request).alias.live.bundle
    return session.names.bundle(text, model=model)


def _lines(names: Sequence[str], found: Sequence[Difference]) -> Iterator[str]:
    yield clean(f"{names[0]} -> {names[1]}")
    for part in _SCHEMA_PARTS if names[0].startswith(_SCHEMA) else _BUNDLE_PARTS:
        of_part = [one for one in found if _part(one) == part]
        yield f"{part}: {count(len(of_part), 'difference') if of_part else 'the same'}"
        for one in of_part:
            yield from _difference(one)


def _part(difference: Difference) -> str:
    return enum_name(Difference.Part.DESCRIPTOR, difference.part).lower()


def _difference(one: Difference) -> Iterator[str]:
    sign = _SIGNS.get(enum_name(Difference.Kind.DESCRIPTOR, one.kind), "?")
    what = f"{one.path} {one.field}".rstrip()
    values = {"+": one.after, "-": one.before, "~": f"{one.before} -> {one.after}"}
    value = "" if one.source else values.get(sign, "").strip()
    affects = f"   (makes {', '.join(one.affects)})" if one.affects else ""
    yield clean(f"  {sign} {what}{f': {value}' if value else ''}{affects}")
    for line in one.source.splitlines():
        yield clean(f"      {line}")
