from xml.etree import ElementTree as ET

import pytest

from tests.cli.output.formats.outcomes import BROKEN, EVERY, FINE, LIVE, TARGET, UNDECIDED
from trilock.cli.output.formats.junit import render
from trilock.cli.output.outcome import Outcome


def read(outcome: Outcome) -> ET.Element:
    return ET.fromstring(render(outcome))  # noqa: S314 - our own text


def counts(element: ET.Element) -> list[str | None]:
    return [element.get(name) for name in ("tests", "failures", "errors", "skipped")]


def test_a_suite_for_each_reader_and_a_case_for_each_finding() -> None:
    root = read(BROKEN)

    assert [(suite.get("name"), counts(suite)) for suite in root] == [
        (LIVE, ["4", "1", "0", "1"]),
        (TARGET, ["1", "0", "0", "0"]),
    ]
    case = root[0][0]
    assert (case.get("name"), case.get("file"), case.get("line")) == (
        "CON001 models/delay/bundles/2/wind",
        "feature_repo/features.py",
        "12",
    )
    assert case[0].tag == "failure"
    assert (case[0].text or "").endswith("it expects 'wind'\nmend: keep it")
    assert [one[0].tag for one in root[0][1:]] == ["system-out", "system-out", "skipped"]


def test_what_is_fine_is_a_case_that_passes() -> None:
    assert counts(read(FINE)) == ["1", "0", "0", "0"]


def test_what_cannot_be_decided_is_an_error() -> None:
    assert counts(read(UNDECIDED)) == ["1", "0", "1", "0"]


@pytest.mark.parametrize("outcome", EVERY)
def test_it_is_xml_whatever_was_found(outcome: Outcome) -> None:
    root = read(outcome)

    assert counts(root)[0] == str(len(root.findall("testsuite/testcase")))
