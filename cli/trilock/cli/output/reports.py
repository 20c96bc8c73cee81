"""Reports of the server: as an outcome for every format, in words, and as an exit code."""

from collections.abc import Iterator
from typing import Final

from trilock.cli.exits import Exit
from trilock.cli.output.formats import text
from trilock.cli.output.outcome import (
    FailOn,
    Item,
    Level,
    Outcome,
    Section,
    in_words,
    waiver_in_words,
)
from trilock.cli.output.plain import enum_name, plain
from trilock.cli.output.streams import Format, write, write_json
from trilock.v1.report_pb2 import Finding, Report, Severity, Verdict

_LEVELS: Final = {
    Severity.SEVERITY_ERROR: Level.ERROR,
    Severity.SEVERITY_WARNING: Level.WARNING,
    Severity.SEVERITY_INFO: Level.NOTE,
}


def verdict_of(report: Report) -> str:
    """Return the verdict in words."""
    return in_words(_verdict(report))


def exit_for_report(report: Report, *, fail_on: FailOn = FailOn.ERROR) -> Exit:
    """Return the exit code of a check with this outcome."""
    return outcome_of(report, subject="").exit(fail_on=fail_on)


def outcome_of(report: Report, *, subject: str) -> Outcome:
    """Return the outcome of a check that ended in *report*."""
    section = _section(report, title=subject)
    return Outcome(
        title=subject,
        verdict=section.verdict,
        sections=(section,),
        data={"subject": subject, **plain(report)},
    )


def write_report(report: Report, *, subject: str, output: Format) -> None:
    """Write a report as data."""
    if output is Format.JSON:
        write_json({"subject": subject, **plain(report)})
    else:
        write("\n".join(report_lines(report, subject=subject)))


def report_lines(report: Report, *, subject: str) -> Iterator[str]:
    """Yield the verdict and every finding, the heaviest first, waived ones last."""
    yield from text.lines(_section(report, title=subject))


def _section(report: Report, *, title: str) -> Section:
    return Section(
        title=title,
        verdict=_verdict(report),
        items=tuple(_item(finding) for finding in report.findings),
    )


def _item(finding: Finding) -> Item:
    waiver = finding.waiver
    return Item(
        rule=finding.rule,
        # A severity of a newer server is told as a note: the verdict says what it does.
        level=_LEVELS.get(finding.severity, Level.NOTE),
        path=finding.path,
        message=finding.message,
        remedy=finding.remedy,
        waived=finding.waived,
        waiver=waiver_in_words(owner=waiver.owner, until=waiver.expire_date, reason=waiver.reason)
        if finding.waived
        else "",
    )


def _verdict(report: Report) -> str:
    return enum_name(Verdict.DESCRIPTOR, report.verdict)
