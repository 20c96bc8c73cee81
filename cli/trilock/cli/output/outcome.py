"""What a check found, whichever check it was: what every output format is made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from trilock.cli.exits import Exit


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class FailOn(StrEnum):
    """The least that makes a check fail."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """A line of a file."""

    file: str
    """Relative to the current folder where it is below it, with forward slashes."""
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One finding."""

    rule: str
    level: Level
    path: str
    """The feature, column or bundle it is about."""
    message: str
    remedy: str = ""
    waived: bool = False
    """Whether a waiver covers it; it then does not count."""
    waiver: str = ""
    """Who waived it, until when and why, in words."""
    place: Place | None = None
    """Where it can be mended, if that is in a file here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Everything that was found about one thing."""

    title: str
    """What was checked, e.g. `bundle 2 on delay@production`."""
    verdict: str
    """Its name in the API, without prefix: `INCOMPATIBLE`."""
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that one check found."""

    title: str
    verdict: str
    sections: tuple[Section, ...]
    summary: tuple[str, ...] = ()
    """What it comes to, a line each."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """All of it, for scripts."""

    def counted(self, level: Level) -> list[tuple[Section, Item]]:
        """Return the findings of *level* that count, with their sections."""
        return [
            (section, item)
            for section in self.sections
            for item in section.items
            if item.level is level and not item.waived
        ]

    def exit(self, *, fail_on: FailOn) -> Exit:
        """Return the exit code of a check with this outcome."""
        match self.verdict:
            case "COMPATIBLE":
                return Exit.OK
            case "COMPATIBLE_WITH_WARNINGS":
                return Exit.WARNINGS if fail_on is FailOn.WARNING else Exit.OK
            case "INCOMPATIBLE":
                return Exit.INCOMPATIBLE
            case _:
                return Exit.ERROR


_VERDICTS: Final = {
    "COMPATIBLE": "compatible",
    "COMPATIBLE_WITH_WARNINGS": "compatible, with warnings",
    "INCOMPATIBLE": "incompatible",
    "UNDECIDABLE": "undecidable: evidence is missing",
}


def in_words(verdict: str) -> str:
    """Return a verdict in words; one of a newer server as it is called."""
    return _VERDICTS.get(verdict, verdict.lower())


def waiver_in_words(*, owner: str, until: str, reason: str) -> str:
    """Return who waived a finding, until when and why."""
    return f"waived by {owner} until {until}: {reason}"
