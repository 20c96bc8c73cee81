"""gitlab: a Code Quality report, for the widget of a merge request.

A finding that is in no file here is filed under the name of what was checked,
since GitLab wants a path for each.
"""

import hashlib
import json
from typing import Any, Final

from trilock.cli.output.formats.format import OutputFormat
from trilock.cli.output.outcome import Item, Level, Outcome, Section
from trilock.cli.output.streams import clean

_SEVERITIES: Final = {Level.ERROR: "blocker", Level.WARNING: "minor", Level.NOTE: "info"}


def render(outcome: Outcome) -> str:
    """Return *outcome* as a Code Quality report; waived findings are not in it."""
    found = [
        _issue(item, section=section)
        for section in outcome.sections
        for item in section.items
        if not item.waived
    ]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _issue(item: Item, *, section: Section) -> dict[str, Any]:
    # The same finding keeps its fingerprint when lines move or words are improved.
    identity = f"{section.title}\n{item.rule}\n{item.path}"
    return {
        "description": clean(f"{section.title}: {item.message}"),
        "check_name": item.rule,
        "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
        "severity": _SEVERITIES[item.level],
        "location": {
            "path": clean(item.place.file if item.place else section.title),
            "lines": {"begin": item.place.line if item.place else 1},
        },
    }


FORMAT = OutputFormat(name="gitlab", purpose="GitLab's Code Quality widget", render=render)
