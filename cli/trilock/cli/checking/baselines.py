"""Where the readers that a change is judged by come from, and where they are kept."""

from collections.abc import Sequence
from pathlib import Path

import typer

from trilock.cli.exits import CommandError, Exit, UsageError
from trilock.cli.output.streams import clean, say
from trilock.cli.output.words import count
from trilock.cli.running.session import connected
from trilock.client.names import short_alias
from trilock.compat import MalformedBaselineError, Reader, baseline_text, parse_baseline
from trilock.v1.check_service_pb2 import GetBaselineRequest


def from_server(context: typer.Context) -> tuple[Reader, ...]:
    """Return who reads what now, as the server says; say whom it can say nothing of.

    Raises:
        CommandError: The server is of another version, and this trilock cannot read what it says.
    """
    with connected(context) as session:
        baseline = session.client.checks.GetBaseline(GetBaselineRequest())
    for one in baseline.left_out:
        say(clean(f"warning: {short_alias(one.alias)} is not checked: {one.why}"))
    try:
        return parse_baseline(baseline.content)
    except MalformedBaselineError as error:
        raise CommandError(f"the server's baseline: {error}", code=Exit.ERROR) from error


def from_file(file: Path) -> tuple[Reader, ...]:
    """Return the readers in *file*.

    Raises:
        UsageError: It cannot be read, or is no baseline of a version that this trilock reads.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {error}") from error
    try:
        return parse_baseline(content)
    except MalformedBaselineError as error:
        raise UsageError(f"{file}: {error}") from error


def write_file(file: Path, readers: Sequence[Reader]) -> None:
    """Write a baseline of *readers*, and say how many they are.

    Raises:
        UsageError: It cannot be written there.
    """
    try:
        file.write_text(baseline_text(readers), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{str(file)!r} cannot be written: {error.strerror}") from error
    say(f"wrote {file}: {count(len(readers), 'reader')}")
