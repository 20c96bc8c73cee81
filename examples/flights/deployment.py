"""trilock beside the demo's world: its settings, its server, and its command line, as installed.

Commands run as an operator's would: the installed script, in the user's
repository, told by two variables where the server and its token are. What they
print goes to the narrator line by line, and whole into commands.log.
"""

import os
import queue
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from examples.flights import processes
from examples.flights.narrator import Narrator, place
from examples.flights.world import FEATURE_FOLDER, LIVE_PROJECT, MODEL, World

SETTINGS: Final = f"""
[connections.registry]
kind = "mlflow"
uri = "sqlite:///state/mlflow.db"

[connections.features]
kind = "feast"
feature_store_yaml = "repository/{FEATURE_FOLDER}/feature_store.yaml"

[connections.code]
kind = "git"
repository = "repository"

[connections.warehouse]
kind = "sink"
url = "sqlite:///state/predictions.db"

[models.{MODEL}]
mlflow = "registry"
feast = "features"
mirror_project = "{LIVE_PROJECT}"   # for readers that do not ask trilock
git = "code"
feature_folder = "{FEATURE_FOLDER}"
"""
"""What a user adds to the settings that `trilock init` has written."""

_ANY_PORT: Final = 'listen = "127.0.0.1:0"'
_DEFAULT_PORT: Final = 'listen = "127.0.0.1:7420"'
_NOT_THE_DEMOS: Final = ("TRILOCK_", "MLFLOW_", "FEAST_", "GIT_", "DVC_", "PYTHON")
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_COMMAND_SECONDS: Final = 180.0


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what the user has set for another trilock."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_THE_DEMOS)
    }
    # Lines come in the order in which they are written, in one encoding whatever the locale.
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


class UnexpectedError(Exception):
    """trilock did not do what the story needs; the message says what, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command went."""

    code: int
    lines: tuple[str, ...]
    """Everything it printed."""
    began: float
    """When, on the monotonic clock."""
    seconds: float

    def find(self, start: str) -> str:
        """Return the first line that starts with *start*, without blanks around it.

        Raises:
            UnexpectedError: There is none.
        """
        for line in self.lines:
            if line.strip().startswith(start):
                return line.strip()
        raise UnexpectedError(f"no line of the output starts with {start!r}")


class Deployment:
    """One trilock and its operator."""

    def __init__(self, world: World, *, narrator: Narrator, environment: Mapping[str, str]) -> None:
        self._world = world
        self._narrator = narrator
        self.config = world.root / "trilock.toml"
        self.token_file = world.root / ".trilock" / "token"
        self.server_log = world.root / "server.log"
        self.commands_log = world.root / "commands.log"
        self.address = ""
        """Where the server listens, once it does."""
        self._script = str(Path(sys.executable).with_name("trilock"))
        self._environment = {**environment, "TRILOCK_CONFIG": str(self.config)}

    def configure(self) -> None:
        """Write settings and a token, as a user does."""
        self.run("init", ".", folder=self._world.root)
        text = self.config.read_text(encoding="utf-8")
        # A fixed port may be somebody's; the server says which one it got.
        text = text.replace(_DEFAULT_PORT, _ANY_PORT, 1) + SETTINGS
        self.config.write_text(text, encoding="utf-8")
        self._narrator.explain(f"to {self.config.name} is added:")
        for line in SETTINGS.splitlines():
            self._narrator.printed(f"    {line}".rstrip())

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve while the block runs.

        Raises:
            UnexpectedError: It does not begin to.
        """
        shown = place(self.config)
        here = "" if shown == str(self.config) else "$PWD/"
        self._narrator.typed(f"export TRILOCK_CONFIG={here}{shown}")
        self._narrator.typed("trilock serve &")
        with (
            self.server_log.open("wb") as log,
            processes.started(
                (self._script, "serve"),
                folder=self._world.root,
                environment=self._environment,
                stderr=log,
                patience=_STOP_SECONDS,
            ) as server,
        ):
            with self._narrator.waiting("it starts"):
                line = _first_line(server)
            if not line.startswith("serving on "):
                said = self.server_log.read_text(encoding="utf-8", errors="replace").strip()
                raise UnexpectedError(
                    f"`trilock serve` did not begin: {said or 'it said nothing'}".splitlines()[0]
                )
            self._narrator.printed(line)
            self.address = line.removeprefix("serving on ")
            self._environment["TRILOCK_SERVER"] = self.address
            self._narrator.typed(f"export TRILOCK_SERVER={self.address}")
            yield

    def run(
        self,
        *arguments: str,
        expected: int = 0,
        folder: Path | None = None,
        hide_from: str | None = None,
    ) -> Ran:
        """Run `trilock` with *arguments* and show it.

        Args:
            *arguments: As typed.
            expected: The exit code it must end with.
            folder: Where; by default the user's repository.
            hide_from: Lines from the first one on that starts so are not shown.

        Raises:
            UnexpectedError: It ended otherwise.
        """
        typed = shlex.join(("trilock", *arguments))
        self._narrator.typed(typed)
        show = _Shown(self._narrator.printed, hide_from=hide_from)
        began = time.monotonic()
        with self._narrator.waiting(typed):
            code, lines = self._follow(
                arguments, folder=folder or self._world.repository, show=show
            )
        seconds = time.monotonic() - began
        if show.hidden:
            self._narrator.noted(f"{show.hidden} more lines: {self.commands_log.name} has them")
        self._narrator.noted(f"exit code {code} after {seconds:.1f} s")
        with self.commands_log.open("a", encoding="utf-8") as log:
            log.write("\n".join((f"$ {typed}", *lines, f"exit code {code}", "", "")))
        if code != expected:
            raise UnexpectedError(
                f"`{typed}` ended with exit code {code}, not {expected}: "
                f"see {place(self.commands_log)} and {place(self.server_log)}"
            )
        return Ran(code=code, lines=tuple(lines), began=began, seconds=seconds)

    def _follow(
        self, arguments: tuple[str, ...], *, folder: Path, show: Callable[[str], None]
    ) -> tuple[int, list[str]]:
        lines = []
        with processes.started(
            (self._script, *arguments),
            folder=folder,
            environment=self._environment,
            stderr=subprocess.STDOUT,
        ) as process:
            alarm = threading.Timer(_COMMAND_SECONDS, process.kill)
            alarm.daemon = True
            alarm.start()
            try:
                for raw in _stream(process):
                    line = raw.decode(errors="replace").rstrip()
                    lines.append(line)
                    show(line)
                code = process.wait()
            finally:
                alarm.cancel()
        return code, lines


class _Shown:
    """Shows lines until one starts so."""

    def __init__(self, show: Callable[[str], None], *, hide_from: str | None) -> None:
        self._show = show
        self._hide_from = hide_from
        self.hidden = 0

    def __call__(self, line: str) -> None:
        starts = self._hide_from is not None and line.strip().startswith(self._hide_from)
        if self.hidden or starts:
            self.hidden += 1
        else:
            self._show(line)


def _stream(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdout is not None  # noqa: S101 - for the type: it was asked for
    return process.stdout


def _first_line(process: "subprocess.Popen[bytes]") -> str:
    """Return the first line that it prints; empty if it ends, or is silent for too long."""
    first: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    stream = _stream(process)
    reader = threading.Thread(target=lambda: first.put(stream.readline()), daemon=True)
    reader.start()
    try:
        return first.get(timeout=_START_SECONDS).decode(errors="replace").strip()
    except queue.Empty:
        return ""
