"""A baseline is read as it was written, or refused with the place where it is wrong."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.compat.readers import reader, repository
from trilock.compat import (
    BaselineVersionError,
    MalformedBaselineError,
    Mode,
    Policy,
    Severity,
    Standing,
    Waiver,
    baseline_text,
    parse_baseline,
    service_readers,
)

WAIVER = Waiver(rule="CON001", path="x", owner="ann", reason="y", expires=date(2026, 12, 31))
POLICY = Policy(mode=Mode.FULL, severities={"CON002": Severity.WARNING}, waivers=(WAIVER,))
READERS = (
    *service_readers(repository()),
    reader(2, policy=POLICY),
    reader(1, standing=Standing.TARGET, inputs=None),
)


def test_what_was_written_is_read() -> None:
    assert set(map(repr, parse_baseline(baseline_text(READERS)))) == set(map(repr, READERS))


def test_the_text_depends_on_the_readers_alone_and_keeps_each_object_once() -> None:
    text = baseline_text(READERS)

    assert baseline_text(READERS[::-1]) == text
    assert len(json.loads(text)["objects"]) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 column 1: not JSON"),
        ('{"format": "trilock baseline",\n "version": ', "line 2 column 13: not JSON"),
        ("[]", "format: not 'trilock baseline'"),
        ('{"format": "another"}', "format: not 'trilock baseline'"),
        ("[" * 100_000, "the file: "),
    ],
)
def test_what_is_no_baseline_is_refused(text: str, message: str) -> None:
    with pytest.raises(MalformedBaselineError) as caught:
        parse_baseline(text)

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("version", [2, "1", None])
def test_another_version_is_refused(version: object) -> None:
    document = {**json.loads(baseline_text(READERS)), "version": version}

    with pytest.raises(BaselineVersionError) as caught:
        parse_baseline(json.dumps(document))

    assert str(caught.value) == (
        f"version: the baseline has format version {version!r}, this trilock reads 1: "
        "write it again with --write-baseline"
    )


def _bend(*path: str | int, value: object) -> Callable[[Any], None]:
    def bend(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return bend


@pytest.mark.parametrize(
    ("bend", "message"),
    [
        (_bend("readers", value={}), "readers: not a JSON array"),
        (_bend("readers", 1, value=7), "readers[1]: not a JSON object"),
        (_bend("readers", 1, "service", value=None), "readers[1].service: not a text"),
        (_bend("readers", 1, "standing", value="GONE"), "readers[1].standing: 'GONE' is none of"),
        (
            _bend("readers", 1, "signature", value={"inputs": []}),
            "readers[1].signature.inputs: neither text nor null",
        ),
        (_bend("readers", 1, "policy", value={}), "readers[1].policy: no 'mode'"),
        (
            _bend("readers", 1, "policy", "mode", value="SIDEWAYS"),
            "readers[1].policy: 'SIDEWAYS' is not a valid Mode",
        ),
        (
            _bend("readers", 1, "policy", "severities", value={"XYZ001": "ERROR"}),
            "readers[1].policy: there is no rule XYZ001 in this trilock",
        ),
        (
            _bend("readers", 1, "objects", value=["0" * 64]),
            f"readers[1].objects[0]: {'0' * 64!r} is not among the objects",
        ),
        (_bend("objects", value=None), "objects: not a JSON object"),
        (_bend("objects", "x", value={"unknown_fields": 1}), "objects.x.unknown_fields: neither"),
    ],
)
def test_what_is_broken_is_named_with_its_place(bend: Callable[[Any], None], message: str) -> None:
    document = json.loads(baseline_text(READERS))
    bend(document)

    with pytest.raises(MalformedBaselineError) as caught:
        parse_baseline(json.dumps(document))

    assert str(caught.value).startswith(message)
