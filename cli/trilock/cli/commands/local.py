"""What is done on the machine of the server, without one: start, settings, schema, copies."""

from pathlib import Path
from typing import Annotated, Any

import typer

from trilock.cli.exits import CommandError, Exit
from trilock.cli.input.options import Config, Output
from trilock.cli.output.streams import Format, encodable, write, write_json, write_table
from trilock.cli.running.command import Command
from trilock.cli.running.extras import call


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command(cls=Command)(serve)
    app.command(cls=Command)(init)
    app.command(cls=Command)(doctor)
    app.command(cls=Command)(migrate)
    app.command(cls=Command)(backup)
    app.command(cls=Command)(restored)


def serve(*, config: Config = None) -> None:
    """Serve, until SIGTERM or ctrl-c."""
    code: int = _call("serve", _path(config))
    raise typer.Exit(code)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where; the current folder by default.")
    ] = Path(),
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Write a commented trilock.toml and a local token."""
    lines: list[str] = _call("init", folder, force=force)
    write("\n".join(lines))


def doctor(*, config: Config = None, output: Output = Format.TABLE) -> None:
    """Say what is configured, reachable and wrong.

    One line each; exits with 3 if something is wrong.
    """
    found = _call("doctor", _path(config))
    good, bad = encodable("✔", otherwise="ok"), encodable("✖", otherwise="wrong")
    if output is Format.JSON:
        write_json([{"name": one.name, "ok": one.ok, "message": one.message} for one in found])
    else:
        rows = [(good if one.ok else bad, one.name, one.message) for one in found]
        write_table(["", "what", "finding"], rows)
    wrong = sum(not one.ok for one in found)
    if wrong:
        raise CommandError(f"{wrong} of {len(found)} are wrong", code=Exit.FORBIDDEN)


def migrate(*, config: Config = None) -> None:
    """Bring the database up to the schema that is needed."""
    write(_call("migrate", _path(config)))


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; must not be there.")],
    *,
    config: Config = None,
) -> None:
    """Copy the database while it is in use."""
    write(_call("backup", _path(config), target))


def restored(*, config: Config = None) -> None:
    """Mark a database that was put back from a copy."""
    write(_call("restored", _path(config)))


def _path(config: str | None) -> Path | None:
    return Path(config) if config else None


def _call(name: str, *arguments: object, **named: object) -> Any:  # noqa: ANN401 - see each command
    """Call a function of `trilock.server.commands`."""
    return call("trilock.server.commands", name, *arguments, purpose=f"`trilock {name}`", **named)
