from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trilock.cli.exits import UsageError
from trilock.cli.input.grammar import Names, json_object, moment, operation, schema
from trilock.cli.input.windows import window

ONE = Names(lambda: ["delay"])


def never() -> Sequence[str]:
    raise AssertionError("the server was asked without need")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, "models/delay/aliases/production"),
        ("", "models/delay/aliases/production"),
        ("@canary", "models/delay/aliases/canary"),
        ("fare", "models/fare/aliases/production"),
        ("fare@canary", "models/fare/aliases/canary"),
        ("models/fare/aliases/canary", "models/fare/aliases/canary"),
    ],
)
def test_an_alias(*, text: str | None, name: str) -> None:
    assert ONE.alias(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("17", "models/delay/bundles/17"),
        ("fare/17", "models/fare/bundles/17"),
        ("models/fare/bundles/17", "models/fare/bundles/17"),
    ],
)
def test_a_bundle(*, text: str, name: str) -> None:
    assert ONE.bundle(text) == name


def test_a_sink_a_schema_an_operation() -> None:
    assert ONE.sink("predictions") == "models/delay/sinks/predictions"
    assert schema("delay_v1/3") == "featureSchemas/delay_v1/versions/3"
    assert schema("featureSchemas/delay_v1/versions/3") == "featureSchemas/delay_v1/versions/3"
    assert operation("0a" * 16) == operation(f"operations/{'0a' * 16}") == f"operations/{'0a' * 16}"
    with pytest.raises(UsageError, match="`trilock operations list` lists them"):
        operation("nonsense")


def test_an_alias_is_of_the_model_of_the_bundle() -> None:
    names = Names(never)

    assert names.alias(None, model="fare") == "models/fare/aliases/production"
    assert names.alias("@canary", model="fare") == "models/fare/aliases/canary"


@pytest.mark.parametrize(
    "complete",
    [
        lambda: Names(never).alias("delay"),
        lambda: Names(never).bundle("delay/17"),
        lambda: Names(never).sink("models/delay/sinks/s"),
    ],
)
def test_the_server_is_only_asked_if_need_be(complete: Callable[[], str]) -> None:
    assert complete().startswith("models/delay/")


def test_with_several_models_one_must_be_said() -> None:
    names = Names(lambda: ["delay", "fare"])

    with pytest.raises(UsageError, match="which model\\? say one of: delay, fare"):
        names.alias(None)
    with pytest.raises(UsageError, match="which model"):
        names.bundle("17")


@pytest.mark.parametrize(
    ("bundle", "alias"),
    [
        ("17", "fare"),
        ("17", "fare@production"),
        ("17", "models/fare/aliases/production"),
        ("fare/17", None),
        ("fare/17", "@production"),
    ],
)
def test_a_bundle_and_where_it_goes_are_of_one_model(bundle: str, alias: str | None) -> None:
    assert Names(never).placed(bundle, alias) == (
        "models/fare/bundles/17",
        "models/fare/aliases/production",
    )


def test_a_bundle_and_an_alias_that_name_no_model_are_of_the_only_one() -> None:
    assert ONE.placed("17", "@canary") == ("models/delay/bundles/17", "models/delay/aliases/canary")
    with pytest.raises(UsageError, match="which model"):
        Names(lambda: ["delay", "fare"]).placed("17", "@canary")
    with pytest.raises(UsageError, match="the full form is models/"):
        ONE.placed("17", "a/b")


def test_a_model_that_is_not_there_is_said_to_be_none() -> None:
    names = Names(lambda: ["delay", "fare"])

    names.require(None)
    names.require("")
    names.require("fare")
    names.require("models/delay/aliases/production")
    with pytest.raises(
        UsageError, match=r"^no model 'dealy' in the server's settings; there is: delay, fare$"
    ):
        names.require("dealy")
    with pytest.raises(UsageError, match="no model 'dealy'"):
        names.require("models/dealy/aliases/production")


def test_without_models_the_settings_are_named() -> None:
    with pytest.raises(UsageError, match=r"no model; add one to trilock\.toml"):
        Names(list).alias(None)


@pytest.mark.parametrize(
    "text", ["delay@", "a@b@c", "a/b", "models/a/bundles/1", "models//aliases/x"]
)
def test_what_is_no_alias(text: str) -> None:
    with pytest.raises(UsageError):
        ONE.alias(text)


@pytest.mark.parametrize("text", ["/17", "delay/", "a/b/c", "models/a/aliases/b"])
def test_what_is_no_bundle(text: str) -> None:
    with pytest.raises(UsageError):
        ONE.bundle(text)


@pytest.mark.parametrize("text", ["delay_v1", "delay_v1/", "/3", "a/b/c"])
def test_what_is_no_schema(text: str) -> None:
    with pytest.raises(UsageError):
        schema(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-01-02", datetime(2013, 1, 2, tzinfo=UTC)),
        ("2013-01-02T03:04:05Z", datetime(2013, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2013-01-02T03:04:05+02:00", datetime(2013, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_time(*, text: str, expected: datetime) -> None:
    assert moment(text) == expected


def test_what_is_no_time() -> None:
    with pytest.raises(UsageError, match="'yesterday' is not a time"):
        moment("yesterday")


def test_a_window() -> None:
    found = window("2013-01-01", "2013-01-02")

    assert found is not None
    assert found.start_time.ToJsonString() == "2013-01-01T00:00:00Z"
    assert found.end_time.ToJsonString() == "2013-01-02T00:00:00Z"
    assert window(None, None) is None


@pytest.mark.parametrize(
    ("start", "end"), [(None, "2013-01-02"), ("2013-01-02", "2013-01-02"), ("2013-01-02", "2012")]
)
def test_what_is_no_window(*, start: str | None, end: str | None) -> None:
    with pytest.raises(UsageError):
        window(start, end)


def test_json_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"image": "sha256:1"}')

    assert json_object(f"@{path}") == {"image": "sha256:1"}
    assert json_object('{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": NaN}', "@/nowhere/config.json"])
def test_what_is_no_json_object(text: str) -> None:
    with pytest.raises(UsageError):
        json_object(text)
