"""What a change of a feature repository does to those who read it."""

from datetime import date
from typing import Any

import pytest

from tests.compat import raws
from tests.compat.readers import closure, reader, repository
from trilock.compat import (
    ChangeReport,
    Mode,
    Policy,
    RawObject,
    Reader,
    RepositoryDefinitions,
    Severity,
    Standing,
    Verdict,
    Waiver,
    check_change,
    service_readers,
)

TODAY = date(2026, 11, 21)


def changed(now: RepositoryDefinitions, *readers: Reader) -> ChangeReport:
    return check_change(now, readers=readers or (reader(),), today=TODAY)


def found(change: ChangeReport) -> list[tuple[str, str]]:
    return [(one.rule, one.path) for item in change.judged for one in item.report.findings]


@pytest.mark.parametrize(
    ("types", "more", "verdict", "findings"),
    [
        (None, {}, "COMPATIBLE", []),
        ({"temp": "Float64", "wind": "Float64", "rain": "Float64"}, {}, "COMPATIBLE", []),
        (None, {"description": "outside"}, "COMPATIBLE", []),
        ({"temp": "Float64"}, {}, "INCOMPATIBLE", [("CON001", "models/delay/bundles/2/wind")]),
        (
            {"temp": "String", "wind": "Float64"},
            {},
            "INCOMPATIBLE",
            [("CON001", "models/delay/bundles/2/temp")],
        ),
        (
            None,
            {"ttl": "3600s"},
            "INCOMPATIBLE",
            [
                ("CON002", "models/delay/bundles/2/weather:temp"),
                ("CON002", "models/delay/bundles/2/weather:wind"),
            ],
        ),
    ],
)
def test_a_live_bundle_breaks_by_what_it_reads(
    types: Any, more: dict[str, Any], verdict: str, findings: list[tuple[str, str]]
) -> None:
    change = changed(repository({"delay_v1": closure(types, **more)}))

    assert (change.verdict.value, found(change)) == (verdict, findings)


def test_a_feature_that_the_model_does_not_read_may_go() -> None:
    only_temp = reader(inputs='[{"type": "double", "name": "temp", "required": true}]')

    change = changed(repository({"delay_v1": closure({"temp": "Float64"})}), only_temp)

    assert change.verdict is Verdict.COMPATIBLE


def test_a_service_that_is_gone_is_one_finding_for_each_reader() -> None:
    change = changed(repository({}), reader(2), reader(1, standing=Standing.TARGET))

    assert found(change) == [
        ("CON001", "models/delay/bundles/2/delay_v1"),
        ("CON001", "models/delay/bundles/1/delay_v1"),
    ]
    message = change.judged[0].report.findings[0].message
    assert "the repository no longer defines feature service 'delay_v1'" in message


def test_live_bundles_come_first_and_other_projects_are_not_judged() -> None:
    other = reader(3, project="weather")

    change = changed(repository(), reader(1, standing=Standing.TARGET), other, reader(2))

    assert [item.reader.name for item in change.judged] == [
        "models/delay/bundles/2",
        "models/delay/bundles/1",
    ]
    assert change.elsewhere == (other,)


def test_what_was_wrong_before_is_not_blamed_on_the_change() -> None:
    misfit = reader(inputs='[{"type": "string", "name": "temp", "required": true}]')

    assert changed(repository(), misfit).verdict is Verdict.COMPATIBLE


@pytest.mark.parametrize(
    ("now", "who", "words"),
    [
        (
            repository({}, problems={"delay_v1": "view 'weather' is pinned"}),
            reader(),
            "view 'weather' is pinned",
        ),
        (
            repository({"delay_v1": closure([{"name": "temp", "value_type": 99}])}),
            reader(),
            "type number 99",
        ),
        (
            repository(),
            reader(inputs='[{"type": "double", "name": "temp"'),
            "malformed signature at inputs: not JSON",
        ),
        (
            repository({"delay_v1": closure({"temp": "Float64"})}),
            reader(inputs=None),
            "its model has no signature",
        ),
    ],
)
def test_what_cannot_be_told_is_undecidable(
    now: RepositoryDefinitions, who: Reader, words: str
) -> None:
    change = changed(now, who)

    messages = [one.message for item in change.judged for one in item.report.findings]
    assert change.verdict in {Verdict.UNDECIDABLE, Verdict.INCOMPATIBLE}
    assert any(words in message for message in messages), messages


def test_incompatible_counts_for_more_than_undecidable() -> None:
    now = repository({"delay_v1": closure({"temp": "Float64"})})

    assert changed(now, reader(1, inputs=None)).verdict is Verdict.UNDECIDABLE
    assert changed(now, reader(1, inputs=None), reader(2)).verdict is Verdict.INCOMPATIBLE


def test_the_policy_of_each_reader_counts() -> None:
    now = repository({"delay_v1": closure({"temp": "Float64"})})
    waiver = Waiver(
        rule="CON001",
        path="models/delay/bundles/2/wind",
        owner="ann",
        reason="retired on Monday",
        expires=TODAY,
    )
    waiving = reader(2, policy=Policy(waivers=(waiver,)))
    warned = reader(2, policy=Policy(severities={"CON001": Severity.WARNING}))
    only_temp = '[{"type": "double", "name": "temp", "required": true}]'
    forward = reader(2, inputs=only_temp, policy=Policy(mode=Mode.FORWARD))

    (judged,) = changed(now, waiving).judged
    assert (judged.report.verdict, judged.report.waived[0].waiver) == (Verdict.COMPATIBLE, waiver)
    assert changed(now, warned).verdict is Verdict.COMPATIBLE_WITH_WARNINGS
    assert found(changed(now, forward)) == [("EVO001", "weather:wind")]


@pytest.mark.parametrize(
    ("after", "findings"),
    [
        (closure(), []),
        (closure({"temp": "Float64"}), [("EVO001", "weather:wind")]),
        (closure({"temp": "String", "wind": "Float64"}), [("EVO002", "weather:temp")]),
        (
            closure(ttl="3600s"),
            [
                ("CON002", "featureServices/delay_v1/weather:temp"),
                ("CON002", "featureServices/delay_v1/weather:wind"),
            ],
        ),
        (None, [("FIT014", "delay_v1")]),
    ],
)
def test_of_a_repository_alone_every_service_must_stay_as_it_is(
    after: tuple[RawObject, ...] | None, findings: list[tuple[str, str]]
) -> None:
    readers = service_readers(repository())

    change = changed(repository({} if after is None else {"delay_v1": after}), *readers)

    assert found(change) == findings


def test_the_class_of_a_source_counts_only_where_its_type_does_not_say_it() -> None:
    file = raws.source(data_source_class_type="")
    custom: dict[str, Any] = {"type": 6, "data_source_class_type": "one.Source"}
    before = reader(objects=closure(batch_source=raws.source(**custom)))
    after = raws.source(**{**custom, "data_source_class_type": "other.Source"})

    same = changed(repository({"delay_v1": closure(batch_source=file)}))
    other = changed(repository({"delay_v1": closure(batch_source=after)}), before)

    assert same.verdict is Verdict.COMPATIBLE
    assert other.verdict is Verdict.INCOMPATIBLE
