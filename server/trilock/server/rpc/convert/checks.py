"""From what checks go by, and what they find, to messages: total functions, as in `convert`."""

from datetime import date

from trilock.compat import Difference, Finding, NullPolicy, Report, Waiver
from trilock.server.domain.policy import RecordedPolicy, RecordedWaiver
from trilock.server.rpc.convert.fields import timestamp
from trilock.server.usecases.waive import Waivers
from trilock.v1 import bundle_service_pb2, policy_pb2, report_pb2


def report_to_proto(report: Report) -> report_pb2.Report:
    """Return the message of *report*; waived findings come last."""
    findings = [_finding(finding) for finding in report.findings]
    findings += [_finding(waived.finding, waiver=waived.waiver) for waived in report.waived]
    return report_pb2.Report(
        verdict=report_pb2.Verdict.Value(f"VERDICT_{report.verdict.value}"), findings=findings
    )


def _finding(finding: Finding, *, waiver: Waiver | None = None) -> report_pb2.Finding:
    return report_pb2.Finding(
        rule=finding.rule,
        category=finding.category.value.lower(),
        severity=report_pb2.Severity.Value(f"SEVERITY_{finding.severity.value}"),
        path=finding.path,
        expected=finding.expected,
        found=finding.found,
        message=finding.message,
        remedy=finding.remedy,
        waived=waiver is not None,
        waiver=None if waiver is None else waiver_to_proto(waiver),
    )


def waiver_to_proto(waiver: Waiver) -> report_pb2.Waiver:
    """Return the message of *waiver*."""
    return report_pb2.Waiver(
        rule=waiver.rule,
        path=waiver.path,
        owner=waiver.owner,
        reason=waiver.reason,
        expire_date=waiver.expires.isoformat(),
    )


def recorded_waivers_to_proto(found: Waivers) -> list[policy_pb2.RecordedWaiver]:
    """Return the messages of waivers, as they are on the day they were read."""
    return [_recorded_waiver(recorded, today=found.today) for recorded in found.waivers]


def _recorded_waiver(recorded: RecordedWaiver, *, today: date) -> policy_pb2.RecordedWaiver:
    ended_by = recorded.ended_by
    return policy_pb2.RecordedWaiver(
        name=str(recorded.ref),
        alias="" if recorded.alias is None else str(recorded.alias),
        waiver=waiver_to_proto(recorded.waiver),
        state=policy_pb2.RecordedWaiver.State.Value(f"STATE_{recorded.state(today).value}"),
        create_time=timestamp(recorded.created),
        creator=recorded.creator,
        end_time=timestamp(recorded.ended),
        ender="" if ended_by is None else ended_by.principal,
        end_reason="" if ended_by is None else ended_by.reason,
    )


def policy_to_proto(recorded: RecordedPolicy) -> policy_pb2.Policy:
    """Return the message of the policy of an alias."""
    policy, cause = recorded.policy, recorded.cause
    return policy_pb2.Policy(
        alias=str(recorded.alias),
        mode=policy_pb2.EvolutionMode.Value(f"EVOLUTION_MODE_{policy.mode.value}"),
        serving_path=policy_pb2.ServingPath.Value(f"SERVING_PATH_{policy.serving_path.value}"),
        full_feature_names=policy.full_feature_names,
        null_policy=_null_policy(policy.null_policy),
        nulls=[
            policy_pb2.NullException(path=path, null_policy=_null_policy(nulls))
            for path, nulls in sorted(policy.nulls.items())
        ],
        severities=[
            policy_pb2.RuleSeverity(
                rule=rule, severity=report_pb2.Severity.Value(f"SEVERITY_{severity.value}")
            )
            for rule, severity in sorted(policy.severities.items())
        ],
        etag=recorded.etag,
        revision=recorded.revision,
        set_time=timestamp(recorded.set_at),
        principal="" if cause is None else cause.principal,
        reason="" if cause is None else cause.reason,
    )


def _null_policy(nulls: NullPolicy) -> policy_pb2.NullPolicy.ValueType:
    return policy_pb2.NullPolicy.Value(f"NULL_POLICY_{nulls.value}")


def difference_to_proto(difference: Difference) -> bundle_service_pb2.Difference:
    """Return the message of *difference*."""
    message = bundle_service_pb2.Difference
    return message(
        part=message.Part.Value(f"PART_{difference.part.value}"),
        kind=message.Kind.Value(f"KIND_{difference.kind.value}"),
        path=difference.path,
        field=difference.field,
        before=difference.before,
        after=difference.after,
        source=difference.source,
        affects=difference.affects,
    )
