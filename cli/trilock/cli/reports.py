"""Findings in words, grouped by how much they weigh; and what a report means for the exit code."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final

from trilock.cli.exits import Exit
from trilock.cli.output import Format, clean, write, write_json
from trilock.cli.plain import enum_name, plain
from trilock.cli.words import count
from trilock.v1.report_pb2 import Finding, Report, Severity, Verdict

_VERDICTS: Final = {
    Verdict.VERDICT_COMPATIBLE: "compatible",
    Verdict.VERDICT_COMPATIBLE_WITH_WARNINGS: "compatible, with warnings",
    Verdict.VERDICT_INCOMPATIBLE: "incompatible",
    Verdict.VERDICT_UNDECIDABLE: "undecidable: evidence is missing",
}

_GROUPS: Final = (
    (Severity.SEVERITY_ERROR, "error"),
    (Severity.SEVERITY_WARNING, "warning"),
    (Severity.SEVERITY_INFO, "note"),
)


class FailOn(StrEnum):
    """The least that makes a check fail."""

    ERROR = "error"
    WARNING = "warning"


def verdict_of(report: Report) -> str:
    """Return the verdict in words."""
    known = _VERDICTS.get(report.verdict)
    return known or enum_name(Verdict.DESCRIPTOR, report.verdict).lower()


def exit_for_report(report: Report, *, fail_on: FailOn = FailOn.ERROR) -> Exit:
    """Return the exit code of a check with this outcome."""
    match report.verdict:
        case Verdict.VERDICT_COMPATIBLE:
            return Exit.OK
        case Verdict.VERDICT_COMPATIBLE_WITH_WARNINGS:
            return Exit.WARNINGS if fail_on is FailOn.WARNING else Exit.OK
        case Verdict.VERDICT_INCOMPATIBLE:
            return Exit.INCOMPATIBLE
        case _:
            return Exit.ERROR


def write_report(report: Report, *, subject: str, output: Format) -> None:
    """Write a report as data."""
    if output is Format.JSON:
        write_json({"subject": subject, **plain(report)})
    else:
        write("\n".join(report_lines(report, subject=subject)))


def report_lines(report: Report, *, subject: str) -> Iterator[str]:
    """Yield the verdict and every finding, the heaviest first, waived ones last."""
    yield clean(f"{subject}: {verdict_of(report)}")
    for severity, noun in _GROUPS:
        found = [each for each in report.findings if each.severity == severity and not each.waived]
        if found:
            yield f"{count(len(found), noun)}:"
        yield from _finding_lines(found)
    waived = [finding for finding in report.findings if finding.waived]
    if waived:
        yield f"{len(waived)} waived:"
    yield from _finding_lines(waived)


def _finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    # A view that is made in another way has a finding for each of its features:
    # how to mend them is said once.
    for (rule, remedy), alike in groupby(findings, key=lambda one: (one.rule, one.remedy)):
        for finding in alike:
            yield clean(f"  {rule}  {finding.path}: {finding.message}")
            if finding.waived:
                waiver = finding.waiver
                yield clean(
                    f"      waived by {waiver.owner} until {waiver.expire_date}: {waiver.reason}"
                )
        if remedy:
            yield clean(f"      mend: {remedy}")
