"""How a command ends when something is wrong: one place, a line or two, never a traceback."""

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Never, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from trilock.cli.exits import CommandError, Exit, exit_for
from trilock.cli.output.operations import how_to_follow
from trilock.cli.output.streams import clean, say
from trilock.cli.output.words import shorter
from trilock.client.errors import BusyError, NoSafeTargetError, TrilockError
from trilock.client.names import short_alias


class Command(TyperCommand):
    """A command whose errors are reported, whatever runs it."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer brings its own click
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            _end(error, str(error), code=error.code)
        except NoSafeTargetError as error:
            _end(error, *_no_safe_target(error), code=exit_for(error))
        except TrilockError as error:
            more = [*_violations(error), *_holder(error)]
            _end(error, str(error), *more, code=exit_for(error))
        except (KeyboardInterrupt, typer.Abort) as error:
            _end(error, "interrupted", code=Exit.INTERRUPTED)
        except (typer.Exit, BrokenPipeError):
            raise
        except UnicodeEncodeError as error:
            # Arguments that are not UTF-8 reach Python as lone surrogates.
            _end(error, f"text that is not valid UTF-8: {error.object!a}", code=Exit.USAGE)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                _end_as_defect(error)
            raise
        except Exception as error:  # noqa: BLE001 - the last resort, so that there is no traceback
            _end_as_defect(error)


class Commands(TyperGroup):
    """All commands. Whoever stops reading what they write ends them without a word."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
        """Read what is typed; `--help` is written here."""
        with _while_somebody_reads():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as above
        """Run the command that was named."""
        with _while_somebody_reads():
            return super().invoke(ctx)


@contextmanager
def _while_somebody_reads() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # at the interpreter's end it is too late for words of our own
    except BrokenPipeError:
        # Not the signal's default: it would also end a server for a client that went away.
        _write_nowhere(sys.stdout, sys.stderr)
        raise typer.Exit(Exit.UNREAD) from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _write_nowhere(sys.stdout)
        fail(f"the output cannot be written: {error.strerror}")
        raise typer.Exit(Exit.ERROR) from error


def _write_nowhere(*streams: TextIO) -> None:
    with suppress(OSError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        for stream in streams:
            os.dup2(nowhere.fileno(), stream.fileno())


@contextmanager
def until_ctrl_c() -> Iterator[None]:
    """Show something until it is enough: ctrl-c is how it ends, and no error."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def fail(message: str) -> None:
    """Say what is wrong, on lines of its own that begin with `error:`."""
    first, *rest = message.splitlines() or [""]
    say("\n".join(clean(line) for line in (f"error: {first}", *rest)))


def _no_safe_target(error: NoSafeTargetError) -> list[str]:
    """Return a line for each bundle that was passed over, and what can be done."""
    alias, reasons = error.metadata.get("alias", ""), error.metadata.get("reasons", "")
    if not alias:
        return [str(error)]
    if not reasons:
        return [shorter(str(error), alias=alias)]
    short = short_alias(alias)
    return [
        f"nothing to roll {short} back to",
        *(f"  not   {shorter(reason, alias=alias)}" for reason in reasons.splitlines()),
        f"  helps: trilock unhold BUNDLE, or trilock fallback set BUNDLE {short}",
    ]


def _holder(error: TrilockError) -> list[str]:
    """Return how to look at the operation that is in the way, if one is."""
    operation = error.metadata.get("operation", "")
    if not (isinstance(error, BusyError) and operation.startswith("operations/")):
        return []
    return how_to_follow(operation)


def _violations(error: TrilockError) -> list[str]:
    lines = [f"  {each.field}: {each.message}" for each in error.violations]
    # One violation is in the message already.
    return lines if len(lines) > 1 else []


def _end_as_defect(error: Exception) -> Never:
    hint = "this is a defect of trilock; TRILOCK_DEBUG=1 shows where"
    _end(error, f"{type(error).__name__}: {error}", hint, code=Exit.ERROR)


def _end(error: BaseException, message: str, *more: str, code: Exit) -> Never:
    fail(message)
    for line in more:
        say(clean(line))
    if os.environ.get("TRILOCK_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    raise typer.Exit(code) from error
