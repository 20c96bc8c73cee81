"""A change of a feature repository as an outcome: what breaks, and for whom."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from trilock.cli.checking.places import SETTINGS, Places
from trilock.cli.output.outcome import Item, Level, Outcome, Place, Section, waiver_in_words
from trilock.cli.output.words import count, last
from trilock.client.names import short_alias
from trilock.compat import (
    ChangeReport,
    Finding,
    Judged,
    Reader,
    Report,
    Severity,
    Standing,
    Verdict,
    Waiver,
)

_LEVELS: Final = {
    Severity.ERROR: Level.ERROR,
    Severity.WARNING: Level.WARNING,
    Severity.INFO: Level.NOTE,
}
_ROLES: Final = {Standing.LIVE: "live", Standing.TARGET: "rollback target"}


def outcome_of_change(change: ChangeReport, *, repository: str, places: Places) -> Outcome:
    """Return the outcome of a check of *repository*."""
    title = f"feature repository {repository}, Feast project {change.project}"
    return Outcome(
        title=title,
        verdict=change.verdict.value,
        sections=tuple(_section(judged, places=places) for judged in change.judged),
        summary=tuple(_summary(change)),
        data={
            "subject": title,
            "verdict": change.verdict.value,
            "project": change.project,
            "readers": [_reader_data(judged) for judged in change.judged],
            "broken": [_whose(judged.reader) for judged in _breaking(change, Standing.LIVE)],
            "destroyed_rollback_paths": [
                _whose(judged.reader) for judged in _breaking(change, Standing.TARGET)
            ],
            "elsewhere": [_whose(reader) for reader in change.elsewhere],
        },
    )


_PLACE: Final = re.compile(r"(?P<file>[^\s:]+\.py):(?P<line>\d+): ")


def outcome_of_unreadable(problem: str, *, repository: Path) -> Outcome:
    """Return the outcome of a check of a *repository* that cannot be read.

    Args:
        problem: Why, in one line, with file and line in front where they are known.
        repository: The folder that files are named from.
    """
    title = f"feature repository {repository}"
    found = _PLACE.match(problem)
    file, line = (found["file"], int(found["line"])) if found else (SETTINGS, 1)
    item = Item(
        rule="EVI001",
        level=Level.ERROR,
        path=file,
        message=f"the feature repository cannot be read: {problem}",
        place=Place(file=(repository / file).as_posix(), line=line),
    )
    undecidable = Verdict.UNDECIDABLE.value
    return Outcome(
        title=title,
        verdict=undecidable,
        sections=(Section(title=title, verdict=undecidable, items=(item,)),),
        data={"subject": title, "verdict": undecidable, "problem": problem},
    )


def _section(judged: Judged, *, places: Places) -> Section:
    reader, report = judged.reader, judged.report
    items = [_item(one, reader=reader, places=places) for one in report.findings]
    items += [
        _item(one.finding, reader=reader, places=places, waiver=one.waiver) for one in report.waived
    ]
    return Section(title=_title(reader), verdict=report.verdict.value, items=tuple(items))


def _item(
    finding: Finding, *, reader: Reader, places: Places, waiver: Waiver | None = None
) -> Item:
    inner = finding.path.removeprefix(f"{reader.name}/")
    return Item(
        rule=finding.rule,
        level=_LEVELS[finding.severity],
        path=finding.path,
        message=finding.message,
        remedy=finding.remedy,
        waived=waiver is not None,
        waiver=""
        if waiver is None
        else waiver_in_words(
            owner=waiver.owner, until=waiver.expires.isoformat(), reason=waiver.reason
        ),
        place=places.find(inner, service=reader.service),
    )


def _title(reader: Reader) -> str:
    if reader.standing is Standing.SERVICE:
        return f"feature service {reader.service}"
    role = _ROLES[reader.standing]
    return (
        f"{short_alias(reader.alias)}, {role}: bundle {last(reader.name)}, model version"
        f" {reader.model_version}, feature service {reader.service}"
    )


def _breaking(change: ChangeReport, standing: Standing) -> list[Judged]:
    return [
        judged
        for judged in change.judged
        if judged.reader.standing is standing and judged.report.verdict is Verdict.INCOMPATIBLE
    ]


def _summary(change: ChangeReport) -> Iterator[str]:
    """Yield what breaks and for whom, and which ways back would be gone."""
    for judged in _breaking(change, Standing.LIVE):
        reader = judged.reader
        yield f"breaks {short_alias(reader.alias)}: bundle {last(reader.name)} is live"
    for judged in _breaking(change, Standing.TARGET):
        reader = judged.reader
        yield (
            f"destroys a rollback path: {short_alias(reader.alias)} could no longer go back to"
            f" bundle {last(reader.name)}"
        )
    for judged in _breaking(change, Standing.SERVICE):
        yield f"breaks who reads feature service {judged.reader.service}"
    if change.elsewhere:
        projects = sorted({reader.project for reader in change.elsewhere})
        yield (
            f"{count(len(change.elsewhere), 'other reader')} of Feast project"
            f" {', '.join(projects)} not judged"
        )
    if not change.judged:
        yield "nothing that is live, and no rollback target, reads this Feast project"


def _whose(reader: Reader) -> dict[str, str]:
    return {
        "alias": reader.alias,
        "standing": reader.standing.value,
        "bundle": "" if reader.standing is Standing.SERVICE else reader.name,
        "model_version": reader.model_version,
        "project": reader.project,
        "service": reader.service,
    }


def _reader_data(judged: Judged) -> dict[str, Any]:
    return {**_whose(judged.reader), **_report_data(judged.report)}


def _report_data(report: Report) -> dict[str, Any]:
    """Return *report* in the form that the API's reports have in `-o json`."""
    findings: list[tuple[Finding, Waiver | None]] = [(one, None) for one in report.findings]
    findings += [(one.finding, one.waiver) for one in report.waived]
    return {
        "verdict": report.verdict.value,
        "findings": [
            {
                **one.to_json(),
                "category": one.category.value.lower(),
                "waived": waiver is not None,
                "waiver": None if waiver is None else _waiver_data(waiver),
            }
            for one, waiver in findings
        ],
    }


def _waiver_data(waiver: Waiver) -> dict[str, Any]:
    form = dict(waiver.to_json())
    return {**form, "expire_date": form.pop("expires")}
