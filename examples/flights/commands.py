"""Runs git, DVC and the user's jobs, so that neither sees or leaves anything outside the world."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from examples.flights import processes
from examples.flights.world import World

_GIT: Final = (
    "git",
    "-c",
    "user.name=Flights",
    "-c",
    "user.email=flights@example.com",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "core.autocrlf=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "gc.auto=0",
)
_SECONDS: Final = 300


class CommandError(Exception):
    """A command of the demo's world did not do what it should."""

    def __init__(self, *, command: tuple[str, ...], code: int | None, output: str) -> None:
        what = "could not be started" if code is None else f"ended with {code}"
        super().__init__(f"{' '.join(command)!r} {what}: {output.strip()[-2000:]}")
        self.command = command
        self.code = code
        self.output = output


def git(world: World, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git in the user's repository and return what it printed.

    Raises:
        CommandError: It failed, or git is not installed.
    """
    return _run(world, (*_GIT, *arguments), folder=world.repository, stdin=stdin)


def dvc(world: World, *arguments: str) -> None:
    """Run DVC in the user's repository.

    Raises:
        CommandError: It failed.
    """
    # -P keeps the current directory out of the path of DVC's own imports.
    command = (sys.executable, "-P", "-m", "dvc", *arguments)
    _run(world, command, folder=world.repository)


def python(world: World, *arguments: str, folder: Path) -> None:
    """Run a Python program of the user's in *folder*.

    Raises:
        CommandError: It failed.
    """
    _run(world, (sys.executable, *arguments), folder=folder)


def _run(world: World, command: tuple[str, ...], *, folder: Path, stdin: bytes = b"") -> bytes:
    try:
        with processes.started(
            command, folder=folder, environment=_environment(world), stdin=subprocess.PIPE
        ) as process:
            stdout, stderr = process.communicate(stdin, timeout=_SECONDS)
    except OSError as error:
        raise CommandError(command=command, code=None, output=str(error)) from error
    except subprocess.TimeoutExpired as error:
        output = f"still running after {_SECONDS} s"
        raise CommandError(command=command, code=None, output=output) from error
    if process.returncode:
        output = (stdout + stderr).decode(errors="replace")
        raise CommandError(command=command, code=process.returncode, output=output)
    return stdout


def _environment(world: World) -> dict[str, str]:
    # Somebody's git hook may run the demo: GIT_DIR would point at the wrong repository.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "DVC_", "PYTHON"))
    }
    elsewhere = world.root / "dvc"
    return {
        **kept,
        # The stages say `python`, and mean this one.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(elsewhere / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(elsewhere / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(elsewhere / "system"),
    }
