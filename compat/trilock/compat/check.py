"""The engine: run the rules, stamp what they find, take out what is waived."""

from collections.abc import Sequence
from datetime import date

from trilock.compat.catalog import RULES
from trilock.compat.context import make_context
from trilock.compat.errors import InvalidPolicyError
from trilock.compat.policy import Policy
from trilock.compat.report import Finding, Report, Waived, Waiver
from trilock.compat.rule import Context, Rule
from trilock.compat.subject import Consumer, Predecessor, SharedState, Subject

_DEFAULT = Policy()


def check(
    subject: Subject,
    *,
    policy: Policy = _DEFAULT,
    predecessors: Sequence[Predecessor] = (),
    consumers: Sequence[Consumer] = (),
    shared: Sequence[SharedState] = (),
    today: date | None = None,
) -> Report:
    """Return whether *subject* may be served, with everything that speaks against it.

    Args:
        subject: The tuple to judge.
        policy: What its model and alias asks for.
        predecessors: What was live before it, newest first.
        consumers: Other live bundles and rollback targets whose features a swap to
            *subject* would touch.
        shared: What other aliases make, or could make, of features that the subject's
            readers share with them.
        today: The day that waivers are judged by; needed when the policy has any.

    Returns:
        The report: the same for the same arguments, in whatever order features,
        inputs and consumers come.

    Raises:
        InvalidPolicyError: The policy names a rule that does not exist, or there are
            waivers and no *today*.
    """
    context = make_context(
        subject,
        policy=policy,
        predecessors=tuple(predecessors),
        consumers=tuple(consumers),
        shared=tuple(shared),
        today=today,
    )
    return judge(context, rules=RULES)


def judge(context: Context, *, rules: Sequence[Rule]) -> Report:
    """Return what *rules* find in *context*, without what its policy waives.

    Raises:
        InvalidPolicyError: The policy names a rule that does not exist, or there are
            waivers and no *today*.
    """
    policy, today = context.policy, context.today
    _require_sound(policy, today=today)
    findings = {finding for rule in rules for finding in rule.findings(context)}
    waived = [
        Waived(finding=finding, waiver=waiver)
        for finding in findings
        if (waiver := _waiver_for(finding, policy=policy, today=today)) is not None
    ]
    return Report.of(findings - {item.finding for item in waived}, waived=waived)


def _waiver_for(finding: Finding, *, policy: Policy, today: date | None) -> Waiver | None:
    good = [
        waiver
        for waiver in policy.waivers
        if today is not None
        and (waiver.rule, waiver.path) == (finding.rule, finding.path)
        and today <= waiver.expires
    ]
    return max(good, key=lambda waiver: waiver.expires, default=None)


def _require_sound(policy: Policy, *, today: date | None) -> None:
    known = {rule.id for rule in RULES}
    named = {*policy.severities, *(waiver.rule for waiver in policy.waivers)}
    problems = [f"there is no rule {rule!r}" for rule in sorted(named - known)]
    if policy.waivers and today is None:
        problems.append("waivers cannot be judged without a date")
    if problems:
        raise InvalidPolicyError(problems)
