import json

from tests.cli.output.formats.outcomes import BROKEN, EVERY, LIVE
from trilock.cli.output.formats.gitlab import render


def test_a_code_quality_report() -> None:
    found = json.loads(render(BROKEN))

    assert [(one["check_name"], one["severity"], one["location"]) for one in found] == [
        ("CON001", "blocker", {"path": "feature_repo/features.py", "lines": {"begin": 12}}),
        ("POL001", "minor", {"path": LIVE, "lines": {"begin": 1}}),
        ("SEM002", "info", {"path": LIVE, "lines": {"begin": 1}}),
    ]
    assert found[0]["description"].endswith("it expects 'wind'")


def test_what_gitlab_asks_for_is_there() -> None:
    for outcome in EVERY:
        for one in json.loads(render(outcome)):
            assert set(one) == {
                "description",
                "check_name",
                "fingerprint",
                "severity",
                "location",
            }
            assert len(one["fingerprint"]) == 64


def test_the_same_finding_has_the_same_fingerprint() -> None:
    first, second = json.loads(render(BROKEN)), json.loads(render(BROKEN))

    assert [one["fingerprint"] for one in first] == [one["fingerprint"] for one in second]
    assert len({one["fingerprint"] for one in first}) == 3
