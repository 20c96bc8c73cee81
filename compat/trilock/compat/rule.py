"""What a rule is, and what it sees.

A rule is pure: the same context gives the same violations. It yields and never
raises, so that one check reports every problem at once. The engine stamps what
it yields, so that a rule cannot misreport its own name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from trilock.compat.fit import Reading
from trilock.compat.frame import Frame
from trilock.compat.policy import Policy
from trilock.compat.report import Category, Finding, Severity
from trilock.compat.subject import Consumer, Predecessor, SharedState, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything a rule may look at."""

    subject: Subject
    policy: Policy
    frame: Frame
    """What the model is handed."""
    readings: tuple[Reading, ...]
    """What every input of the model reads of it; empty without a signature."""
    predecessors: tuple[Predecessor, ...] = ()
    """Newest first."""
    consumers: tuple[Consumer, ...] = ()
    shared: tuple[SharedState, ...] = ()
    today: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Where a rule is broken and why, in words an on-call engineer can use."""

    path: str
    expected: str
    found: str
    message: str
    remedy: str = ""
    """Empty where the rule's own remedy says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A check with a stable name and a page in docs/rules."""

    id: str
    """Public: it is in reports, waivers and docs. Never renamed, never used again."""
    category: Category
    severity: Severity
    """Unless the policy says otherwise."""
    purpose: str
    """One sentence, present tense: the promise, not the failure."""
    why: str
    """What goes wrong without it, in a paragraph or two."""
    remedy: str
    example: str
    """A case that breaks it, in one or two lines."""
    check: Callable[[Context], Iterable[Violation]]
    replaced_by: str | None = None
    """For a deprecated rule, the one to look at instead; it stays in the catalogue."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Yield what the rule finds in *context*, stamped."""
        severity = context.policy.severities.get(self.id, self.severity)
        for violation in self.check(context):
            yield Finding(
                path=violation.path,
                rule=self.id,
                category=self.category,
                severity=severity,
                expected=violation.expected,
                found=violation.found,
                message=violation.message,
                remedy=violation.remedy or self.remedy,
            )
