"""The output formats of a check: one module each, and the only list of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from trilock.cli.output.formats import github, gitlab, json, junit, sarif, text
from trilock.cli.output.formats.format import OutputFormat

FORMATS: Final[Mapping[str, OutputFormat]] = {
    each.name: each
    for each in (
        text.FORMAT,
        json.FORMAT,
        junit.FORMAT,
        github.FORMAT,
        gitlab.FORMAT,
        sarif.FORMAT,
    )
}
"""Every format by name, the default first."""


class CheckFormat(StrEnum):
    """The names of the formats, for the command line."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"
