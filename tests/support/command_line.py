"""The command line, run in this process against one server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from trilock.cli.app import app


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it wrote to stdout, as JSON."""
        return json.loads(self.out)


class Trilock:
    """Runs commands against the server at *address*."""

    def __init__(self, address: str) -> None:
        self._env = {"TRILOCK_SERVER": address}

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Run:
        """Run `trilock` with *arguments*."""
        result = CliRunner().invoke(app, list(arguments), env={**self._env, **(env or {})})
        return Run(code=result.exit_code, out=result.stdout, err=result.stderr)
