"""Every rule finds what it promises, and nothing else: the tables in tests/compat/cases."""

from pathlib import Path

import pytest

from tests.compat.cases.base import TODAY, Case
from tests.compat.cases.every import CASES
from trilock.compat import RULES, Rule, check

DOCS = Path(__file__).parents[2] / "docs" / "rules"
RULE_MODULES = Path(__file__).parents[2] / "compat" / "trilock" / "compat" / "rules"


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}: {case.about}" for case in CASES])
def test_case(case: Case) -> None:
    report = check(
        case.subject(),
        policy=case.policy,
        predecessors=case.predecessors(),
        consumers=case.consumers,
        shared=case.shared_states(),
        today=TODAY,
    )

    assert [one.path for one in report.findings if one.rule == case.rule] == list(case.paths)


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
class TestCatalogue:
    def test_has_a_passing_and_a_failing_case(self, rule: Rule) -> None:
        assert {bool(case.paths) for case in CASES if case.rule == rule.id} == {True, False}

    def test_has_a_module_of_its_own(self, rule: Rule) -> None:
        assert len(list(RULE_MODULES.glob(f"{rule.id.lower()}_*.py"))) == 1

    def test_has_a_page_that_says_what_the_rule_says(self, rule: Rule) -> None:
        page = (DOCS / f"{rule.id}.md").read_text()

        assert page.startswith(f"# {rule.id}: {rule.purpose.removesuffix('.')}\n")
        for said in (rule.category, rule.severity, rule.why, rule.remedy, rule.example):
            assert " ".join(said.split()) in " ".join(page.split())

    def test_promises_in_one_sentence(self, rule: Rule) -> None:
        assert rule.purpose[0].isupper()
        assert rule.purpose.endswith(".")
        assert rule.purpose.count(".") == 1


def test_ids_are_unique_and_sorted() -> None:
    ids = [rule.id for rule in RULES]

    assert ids == sorted(set(ids))


def test_every_module_and_page_is_in_the_catalogue() -> None:
    ids = {rule.id for rule in RULES}

    assert {path.name.split("_")[0].upper() for path in RULE_MODULES.glob("*_*.py")} - {""} == ids
    assert {path.stem for path in DOCS.glob("*.md")} == ids | {"README"}
