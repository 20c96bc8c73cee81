"""What an output format is."""

from collections.abc import Callable
from dataclasses import dataclass

from trilock.cli.output.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """A way to write an outcome."""

    name: str
    purpose: str
    """Who reads it, in a few words."""
    render: Callable[[Outcome], str]
    """Makes what goes to stdout, with its last line end."""
    afterwards: Callable[[Outcome], None] | None = None
    """What is written elsewhere, if anything."""
