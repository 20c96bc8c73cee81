"""The result of a check: every finding at once, and the verdict they add up to."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum, unique
from typing import Any, Self

Json = Mapping[str, Any]
"""A JSON object."""


@unique
class Verdict(StrEnum):
    """What a report says in one word."""

    COMPATIBLE = "COMPATIBLE"
    COMPATIBLE_WITH_WARNINGS = "COMPATIBLE_WITH_WARNINGS"
    INCOMPATIBLE = "INCOMPATIBLE"
    UNDECIDABLE = "UNDECIDABLE"
    """Evidence is missing; never guessed, and never said when there is an error anyway."""


@unique
class Severity(StrEnum):
    """What a finding does to the verdict."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"
    """Worth telling; does nothing to the verdict."""


@unique
class Category(StrEnum):
    """Which promise a rule protects."""

    EVIDENCE = "EVIDENCE"
    """What a verdict needs is there. An error here makes it UNDECIDABLE, not INCOMPATIBLE."""
    FIT = "FIT"
    EVOLUTION = "EVOLUTION"
    SEMANTICS = "SEMANTICS"
    LINEAGE = "LINEAGE"
    CONSUMERS = "CONSUMERS"
    POLICY = "POLICY"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One result of one rule. Sorts by path, then rule."""

    path: str
    """The feature, column or bundle it is about; what a waiver names."""
    rule: str
    category: Category
    severity: Severity
    expected: str
    """What the reader expects, in a few words."""
    found: str
    """What is there, in a few words."""
    message: str
    """Both, in one sentence."""
    remedy: str
    """How to mend it."""

    def to_json(self) -> Json:
        """Return the finding as plain JSON."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, form: Json) -> Self:
        """Return the finding that `to_json` made *form* of."""
        return cls(
            **{
                **form,
                "category": Category(form["category"]),
                "severity": Severity(form["severity"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Waiver:
    """A recorded permission to go on in spite of one finding, until a day."""

    rule: str
    path: str
    """Exactly the path of the finding."""
    owner: str
    reason: str
    expires: date
    """The last day it is good for."""

    def to_json(self) -> Json:
        """Return the waiver as plain JSON."""
        return {**asdict(self), "expires": self.expires.isoformat()}

    @classmethod
    def from_json(cls, form: Json) -> Self:
        """Return the waiver that `to_json` made *form* of."""
        return cls(**{**form, "expires": date.fromisoformat(form["expires"])})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Waived:
    """A finding that does not count, and the waiver that says so."""

    finding: Finding
    waiver: Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of a check, sorted, and its verdict."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    waived: tuple[Waived, ...] = ()
    """Shown in every report; they do not count for the verdict."""

    @classmethod
    def of(cls, findings: Iterable[Finding], *, waived: Iterable[Waived] = ()) -> Self:
        """Return the report over *findings*, in an order that depends on nothing else."""
        distinct = tuple(sorted(set(findings)))
        return cls(verdict=_verdict(distinct), findings=distinct, waived=tuple(sorted(set(waived))))

    @property
    def compatible(self) -> bool:
        """Whether nothing stands against it; warnings do not."""
        return self.verdict in {Verdict.COMPATIBLE, Verdict.COMPATIBLE_WITH_WARNINGS}

    def to_json(self) -> Json:
        """Return the report as plain JSON."""
        return {
            "verdict": str(self.verdict),
            "findings": [finding.to_json() for finding in self.findings],
            "waived": [
                {"finding": item.finding.to_json(), "waiver": item.waiver.to_json()}
                for item in self.waived
            ],
        }

    @classmethod
    def from_json(cls, form: Json) -> Self:
        """Return the report that `to_json` made *form* of."""
        return cls(
            verdict=Verdict(form["verdict"]),
            findings=tuple(Finding.from_json(item) for item in form["findings"]),
            waived=tuple(
                Waived(
                    finding=Finding.from_json(item["finding"]),
                    waiver=Waiver.from_json(item["waiver"]),
                )
                for item in form["waived"]
            ),
        )


def _verdict(findings: tuple[Finding, ...]) -> Verdict:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if any(finding.category is not Category.EVIDENCE for finding in errors):
        return Verdict.INCOMPATIBLE
    if errors:
        return Verdict.UNDECIDABLE
    if any(finding.severity is Severity.WARNING for finding in findings):
        return Verdict.COMPATIBLE_WITH_WARNINGS
    return Verdict.COMPATIBLE
