"""What becomes of a bundle when somebody else changes the features it reads."""

from collections.abc import Iterator

from trilock.compat.context import make_context
from trilock.compat.features import FeatureSet
from trilock.compat.fit_rules import FIT_RULES
from trilock.compat.policy import Policy
from trilock.compat.report import Finding, Severity
from trilock.compat.signature import Signature
from trilock.compat.subject import Subject


def new_errors(reader: Subject, *, after: FeatureSet, policy: Policy) -> Iterator[Finding]:
    """Yield every error of fit that *reader* has on the features *after* and not on its own.

    What was wrong before was accepted when it was recorded; a change adds to it or not.
    """
    known = {_identity(finding) for finding in _errors(reader, reader.features, policy=policy)}
    for finding in _errors(reader, after, policy=policy):
        if _identity(finding) not in known:
            yield finding


def columns_read(
    signature: Signature | None, columns: tuple[str, ...] | None
) -> frozenset[str] | None:
    """Return the columns that a model reads; None if that is not known."""
    if signature is None:
        return None
    if signature.named:
        return frozenset(spec.name for spec in signature.inputs if spec.name is not None)
    return None if columns is None else frozenset(columns)


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.rule, finding.path, finding.found


def _errors(reader: Subject, features: FeatureSet, *, policy: Policy) -> list[Finding]:
    if reader.signature is None:
        return []  # EVI001 or EVI003 says so.
    subject = Subject(
        name=reader.name,
        signature=reader.signature,
        features=features,
        columns=reader.columns,
    )
    context = make_context(subject, policy=policy)
    findings = (finding for rule in FIT_RULES for finding in rule.findings(context))
    return [finding for finding in findings if finding.severity is Severity.ERROR]
