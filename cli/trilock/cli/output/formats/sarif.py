"""sarif: SARIF 2.1.0, for code scanning.

Waived findings are results with an accepted suppression; the rules are those
of the catalogue that were broken.
"""

import hashlib
import importlib.metadata
import json
from typing import Any, Final

from trilock.cli.output.formats.format import OutputFormat
from trilock.cli.output.outcome import Item, Outcome, Section
from trilock.compat import RULES

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(outcome: Outcome) -> str:
    """Return *outcome* as a SARIF log."""
    broken = sorted({item.rule for section in outcome.sections for item in section.items})
    driver = {
        "name": "trilock",
        "version": importlib.metadata.version("trilock"),
        "rules": [_rule(rule) for rule in broken],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(item, section=section, index=broken.index(item.rule))
            for section in outcome.sections
            for item in section.items
        ],
        "properties": {"verdict": outcome.verdict, "summary": list(outcome.summary)},
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(rule_id: str) -> dict[str, Any]:
    for rule in RULES:
        if rule.id == rule_id:
            return {
                "id": rule.id,
                "shortDescription": {"text": rule.purpose},
                "help": {"text": f"{rule.purpose} To mend it: {rule.remedy}."},
                "properties": {"category": rule.category.value},
            }
    return {"id": rule_id}  # of a server that is newer


def _result(item: Item, *, section: Section, index: int) -> dict[str, Any]:
    message = f"{section.title}: {item.message}"
    identity = f"{section.title}\n{item.rule}\n{item.path}"
    result: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": index,
        "level": item.level.value,
        "message": {"text": f"{message}\nmend: {item.remedy}" if item.remedy else message},
        "partialFingerprints": {"trilock/v1": hashlib.sha256(identity.encode()).hexdigest()},
        "locations": [_location(item)],
    }
    if item.waived:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": item.waiver}
        ]
    return result


def _location(item: Item) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": item.path}]}
    if item.place is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(item.place.file)},
            "region": {"startLine": item.place.line},
        }
    return location


def _uri(file: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - of this format only

    return quote(file)


FORMAT = OutputFormat(name="sarif", purpose="code scanning", render=render)
