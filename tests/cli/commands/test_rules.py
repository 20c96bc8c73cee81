"""`trilock rules`: needs no server."""

import pytest

from tests.support.command_line import Trilock
from trilock.compat import RULES, Rule

NO_SERVER = Trilock("127.0.0.1:1")

FIT013 = """\
FIT013  The frame of the serving path has every column the model reads.
      fit, warning unless the policy says otherwise

why:
"""


def test_all_of_them_are_listed_without_a_server() -> None:
    run = NO_SERVER("rules")

    assert run.code == 0
    assert [line.split()[0] for line in run.out.splitlines()] == [
        "rule",
        *(rule.id for rule in RULES),
    ]
    assert "FIT003  fit        error     MLflow accepts every delivered column" in run.out


@pytest.mark.parametrize("spelled", ["FIT013", "fit013"])
def test_one_is_explained_with_an_example_and_a_remedy(spelled: str) -> None:
    run = NO_SERVER("rules", spelled)

    assert run.code == 0
    assert run.out.startswith(FIT013)
    assert "\nexample:\n  " in run.out
    assert "\nmend:\n  " in run.out
    assert max(len(line) for line in run.out.splitlines()) <= 100


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_rule_can_be_explained(rule: Rule) -> None:
    words = " ".join(NO_SERVER("rules", rule.id).out.split())

    for said in (rule.purpose, rule.why, rule.example, rule.remedy):
        assert " ".join(said.split()) in words


def test_json_has_the_same_for_scripts() -> None:
    one = NO_SERVER("rules", "SEM001", "-o", "json").json

    assert (one["id"], one["category"], one["severity"]) == ("SEM001", "semantics", "WARNING")
    assert one["purpose"] == "A feature that looks the same is made in the same way."
    assert [rule["id"] for rule in NO_SERVER("rules", "-o", "json").json] == [
        rule.id for rule in RULES
    ]


def test_an_unknown_rule_is_a_usage_error_that_names_its_kin() -> None:
    run = NO_SERVER("rules", "LIN009")

    assert (run.code, run.out) == (2, "")
    assert run.err == "error: there is no rule 'LIN009'; there is: LIN001, LIN002\n"
