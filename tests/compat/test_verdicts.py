"""Findings add up to a verdict; policies and waivers bend it, openly and until a day."""

import json
from datetime import date, timedelta

import pytest

from tests.compat.raws import plain, projection, service, signature
from trilock.compat import (
    Finding,
    InvalidPolicyError,
    Mode,
    NullPolicy,
    Policy,
    Report,
    ServingPath,
    Severity,
    Subject,
    Verdict,
    Waiver,
    check,
    parse_features,
)

TODAY = date(2026, 2, 1)
NAME = "models/delay/bundles/2"
FITS = Subject(
    name=NAME, signature=signature({"temp": "double"}), features=plain({"temp": "Float64"})
)
WARNED = Subject(
    name=NAME,
    signature=signature({"temp": "double", "gust": "double?"}),
    features=plain({"temp": "Float64"}),
)
REFUSED = Subject(
    name=NAME,
    signature=signature({"temp": "double", "gust": "double"}),
    features=plain({"temp": "Float64"}),
)
UNKNOWN = Subject(
    name=NAME,
    signature=signature({"airport": "string?"}),
    features=parse_features([service(projection())], service="delay_v1"),
)


def waiver(*, expires: date = TODAY, rule: str = "FIT001", path: str = "gust") -> Waiver:
    return Waiver(rule=rule, path=path, owner="ana", reason="retrain in March", expires=expires)


def rules(report: Report) -> list[str]:
    return [finding.rule for finding in report.findings]


@pytest.mark.parametrize(
    ("subject", "verdict", "found"),
    [
        (FITS, Verdict.COMPATIBLE, []),
        (WARNED, Verdict.COMPATIBLE_WITH_WARNINGS, ["FIT011"]),
        (REFUSED, Verdict.INCOMPATIBLE, ["FIT001"]),
        (UNKNOWN, Verdict.UNDECIDABLE, ["FIT011", "EVI001"]),
    ],
    ids=["fits", "warned", "refused", "unknown"],
)
def test_verdict(subject: Subject, verdict: Verdict, found: list[str]) -> None:
    report = check(subject)

    assert (report.verdict, sorted(rules(report))) == (verdict, sorted(found))


def test_an_error_is_an_error_even_where_evidence_is_missing() -> None:
    subject = Subject(name=NAME, signature=None, features=UNKNOWN.features)

    assert check(subject).verdict is Verdict.INCOMPATIBLE


def test_a_finding_says_what_is_expected_and_what_is_there_and_what_to_do() -> None:
    (finding,) = check(REFUSED).findings

    assert finding == Finding(
        path="gust",
        rule="FIT001",
        category=finding.category,
        severity=Severity.ERROR,
        expected="double",
        found="nothing",
        message="the model expects 'gust' (double), but 'delay_v1' does not deliver it",
        remedy="add the feature to the feature service, or train the model without it",
    )


def test_a_close_name_is_hinted_at() -> None:
    subject = Subject(
        name=NAME,
        signature=signature({"temp_c": "double"}),
        features=plain({"temp_f": "Float64"}),
    )

    (finding,) = check(subject).findings

    assert finding.message.endswith("but 'delay_v1' does not deliver it; there is 'temp_f'")


@pytest.mark.parametrize(
    ("severity", "verdict"),
    [
        (Severity.INFO, Verdict.COMPATIBLE),
        (Severity.WARNING, Verdict.COMPATIBLE_WITH_WARNINGS),
        (Severity.ERROR, Verdict.INCOMPATIBLE),
    ],
)
def test_a_policy_gives_a_rule_another_severity(severity: Severity, verdict: Verdict) -> None:
    report = check(REFUSED, policy=Policy(severities={"FIT001": severity}))

    assert (report.verdict, rules(report)) == (verdict, ["FIT001"])


def test_a_waived_finding_is_shown_and_does_not_count() -> None:
    report = check(REFUSED, policy=Policy(waivers=(waiver(),)), today=TODAY)

    assert (report.verdict, rules(report)) == (Verdict.COMPATIBLE, [])
    assert [(one.finding.path, one.waiver.owner) for one in report.waived] == [("gust", "ana")]


@pytest.mark.parametrize(
    "other", [waiver(path="temp"), waiver(rule="FIT003"), waiver(path="gus")], ids=str
)
def test_a_waiver_of_something_else_does_nothing(other: Waiver) -> None:
    report = check(REFUSED, policy=Policy(waivers=(other,)), today=TODAY)

    assert (report.verdict, report.waived) == (Verdict.INCOMPATIBLE, ())


def test_a_waiver_never_silently_outlives_its_day() -> None:
    policy = Policy(waivers=(waiver(),))

    report = check(REFUSED, policy=policy, today=TODAY + timedelta(days=1))

    assert (report.verdict, rules(report)) == (Verdict.INCOMPATIBLE, ["FIT001", "POL001"])
    assert report.waived == ()


def test_of_two_waivers_the_longer_one_is_shown() -> None:
    longer = waiver(expires=TODAY + timedelta(days=9))

    report = check(REFUSED, policy=Policy(waivers=(longer, waiver())), today=TODAY)

    assert [one.waiver for one in report.waived] == [longer]


def test_missing_evidence_can_be_waived_too() -> None:
    waivers = (waiver(rule="EVI001", path="delay_v1"),)

    report = check(UNKNOWN, policy=Policy(waivers=waivers), today=TODAY)

    assert report.verdict is Verdict.COMPATIBLE_WITH_WARNINGS


def test_a_waived_report_survives_json() -> None:
    report = check(REFUSED, policy=Policy(waivers=(waiver(),)), today=TODAY)

    assert report.to_json()["waived"] == [
        {
            "finding": report.waived[0].finding.to_json(),
            "waiver": {
                "rule": "FIT001",
                "path": "gust",
                "owner": "ana",
                "reason": "retrain in March",
                "expires": "2026-02-01",
            },
        }
    ]
    assert Report.from_json(report.to_json()) == report


def test_a_policy_survives_json() -> None:
    policy = Policy(
        mode=Mode.FULL_TRANSITIVE,
        serving_path=ServingPath.HISTORICAL,
        full_feature_names=True,
        null_policy=NullPolicy.NEVER_MISSING,
        nulls={"weather:temp": NullPolicy.MAY_BE_MISSING},
        severities={"FIT001": Severity.INFO},
        waivers=(waiver(),),
    )

    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy
    assert Policy.from_json(Policy().to_json()) == Policy()


def test_by_default_no_mode_is_asked_for_and_rows_may_be_missing_online() -> None:
    assert Policy().to_json() == {
        "mode": "NONE",
        "serving_path": "ONLINE",
        "full_feature_names": False,
        "null_policy": "MAY_BE_MISSING",
        "nulls": {},
        "severities": {},
        "waivers": [],
    }


def test_a_policy_that_names_what_is_not_there_is_refused() -> None:
    policy = Policy(severities={"FIT999": Severity.INFO}, waivers=(waiver(rule="ABC001"),))

    with pytest.raises(InvalidPolicyError) as caught:
        check(REFUSED, policy=policy)

    assert caught.value.problems == (
        "there is no rule 'ABC001'",
        "there is no rule 'FIT999'",
        "waivers cannot be judged without a date",
    )
