"""What becomes of a bundle when somebody else changes the features it reads."""

from collections.abc import Iterator

from trilock.compat.context import make_context
from trilock.compat.evolution import changed_meanings, column_name
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


def reading_on(reader: Subject, *, after: FeatureSet, policy: Policy) -> Iterator[str]:
    """Yield why *reader* would not read from *after* what it reads from its own features.

    Stricter than a fit: every column that its model reads must be there, of the same type and
    made in the same way, and the caller must have to pass nothing more. What *after* delivers
    beside them does not count. One line each.
    """
    before = reader.features
    if (before.digests.contract, before.digests.semantics) == (
        after.digests.contract,
        after.digests.semantics,
    ):
        return
    yield from after.undecidable
    read = columns_read(reader.signature, reader.columns)
    if read is None:
        yield "its model does not name the columns that it reads, and the features are others"
        return
    yield from _columns_lost(before, after, read=read, policy=policy)
    for change in changed_meanings(before, after, policy=policy):
        if change.column in read:
            yield f"{change.ref} would be made in another way: {change.what}"
    inputs = [
        *(("join key", one) for one in after.join_keys if one not in before.join_keys),
        *(
            ("request field", one)
            for one in after.request_fields
            if one not in before.request_fields
        ),
    ]
    for what, one in inputs:
        yield f"{what} {one.name} of type {one.type} would have to be passed"


def columns_read(
    signature: Signature | None, columns: tuple[str, ...] | None
) -> frozenset[str] | None:
    """Return the columns that a model reads; None if that is not known."""
    if signature is None:
        return None
    if signature.named:
        return frozenset(spec.name for spec in signature.inputs if spec.name is not None)
    return None if columns is None else frozenset(columns)


def _columns_lost(
    before: FeatureSet, after: FeatureSet, *, read: frozenset[str], policy: Policy
) -> Iterator[str]:
    there = {column_name(feature, policy=policy): feature for feature in after.features}
    for was in before.features:
        column = column_name(was, policy=policy)
        if column not in read:
            continue
        now = there.get(column)
        if now is None:
            yield f"{was.ref} is not there"
        elif (now.type, now.vector_length) != (was.type, was.vector_length):
            yield f"{was.ref} would be {now.type}, not {was.type}"


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
