"""Reading requests: every violation at once, nothing let through."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from trilock.server.domain.access import Role
from trilock.server.domain.errors import InvalidRequestError
from trilock.server.domain.names import AliasRef, BundleRef, model_name
from trilock.server.rpc.validate import REVISION, Validation, validating
from trilock.v1.release_service_pb2 import FeatureWindow

ALIAS = "models/delay/aliases/production"


def violations(read: Any) -> list[tuple[str, str]]:
    check = Validation()
    read(check)
    return check.violations


def test_everything_that_is_wrong_is_told_at_once() -> None:
    def read() -> None:
        with validating() as check:
            check.name("alias", "", AliasRef.parse)
            check.name("bundle", "models/Delay/bundles/1", BundleRef.parse)
            check.optional("to_bundle", "models/delay/bundles/0", BundleRef.parse)
            check.text("reason", "a\0b")
            check.number("seen", -1)
            check.request_id("a b")

    with pytest.raises(InvalidRequestError) as caught:
        read()

    assert caught.value.violations == (
        ("alias", "is required"),
        (
            "bundle",
            "'Delay' is not a valid model: it must match [a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?",
        ),
        (
            "to_bundle",
            "'0' is not a valid number of a bundle: it must match [1-9][0-9]{0,17}",
        ),
        ("reason", "has control characters"),
        ("seen", "is -1; it must not be negative"),
        ("request_id", "'a b' is not valid: it must match [A-Za-z0-9._:-]{1,128}"),
    )


def test_what_is_right_is_what_it_says() -> None:
    with validating() as check:
        alias = check.name("alias", ALIAS, AliasRef.parse)
        bundle = check.optional("bundle", "", BundleRef.parse)
        models = check.names("models", ["a", "b"], model_name)
        reason = check.text("reason", "cafe\u0301 is\tclosed\n")
        request_id = check.request_id("")

    assert (str(alias), bundle, models) == (ALIAS, None, ["a", "b"])
    assert reason == "caf\u00e9 is\tclosed\n"
    assert request_id == ""


def test_a_defect_in_the_block_is_not_hidden() -> None:
    def read() -> None:
        with validating() as check:
            check.wrong("field", "is wrong")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()


@pytest.mark.parametrize("name", ["models/delay/aliases/production\n", f"{ALIAS}/", f" {ALIAS}"])
def test_a_name_is_matched_whole(name: str) -> None:
    assert violations(lambda check: check.name("alias", name, AliasRef.parse))


def test_a_long_name_is_not_repeated() -> None:
    found = violations(lambda check: check.name("alias", "x" * 100_000, AliasRef.parse))

    assert found == [("alias", "has 100000 characters; at most 255 are allowed")]


@pytest.mark.parametrize(
    ("text", "required", "found"),
    [
        ("", True, ["is required"]),
        (" \n", True, ["is required"]),
        ("", False, []),
        ("x" * 2001, False, ["has 2001 characters; at most 2000 are allowed"]),
        ("\x1b[31mred", False, ["has control characters"]),
        ("\x7f", False, ["has control characters"]),
        ("\u0085", False, ["has control characters"]),
    ],
)
def test_text(text: str, *, required: bool, found: list[str]) -> None:
    told = violations(lambda check: check.text("reason", text, required=required))

    assert told == [("reason", what) for what in found]


@pytest.mark.parametrize(
    ("pattern", "text", "right"),
    [
        (REVISION, "a" * 40, True),
        (REVISION, "a" * 39, False),
        (REVISION, "A" * 40, False),
        (REVISION, "a" * 40 + "\n", False),
    ],
)
def test_tokens(pattern: Any, text: str, *, right: bool) -> None:
    assert (not violations(lambda check: check.token("field", text, pattern))) is right


def test_columns_are_anything_but_each_once() -> None:
    check = Validation()
    assert check.columns("keys", ["Flight No", "day"]) == ("Flight No", "day")
    assert check.violations == []

    check.columns("keys", ["a", "a", ""])
    assert check.violations == [("keys[2]", "is required"), ("keys", "names a column twice")]


def test_roles() -> None:
    check = Validation()
    assert check.roles("roles", ["serve", "record"]) == {Role.SERVE, Role.RECORD}
    assert check.violations == []

    check.roles("roles", [])
    check.roles("roles", ["boss"])
    assert check.violations == [
        ("roles", "is required"),
        (
            "roles",
            "'boss' is no role; the roles are serve, check, record, rollback, promote, admin",
        ),
    ]


def test_another_models_bundle_is_told_only_if_both_names_are_right() -> None:
    check = Validation()
    alias, bundle = AliasRef.parse(ALIAS), BundleRef.parse("models/other/bundles/1")
    check.same_model("bundle", bundle, alias=alias)
    check.same_model("bundle", None, alias=alias)
    check.same_model("bundle", bundle, alias=None)

    assert check.violations == [("bundle", "models/other/bundles/1 is not of model 'delay'")]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (1, 2, []),
        (2, 2, [("window", "end_time must be after start_time")]),
        (None, 2, [("window.start_time", "is required")]),
        (1, None, [("window.end_time", "is required")]),
        (None, None, [("window", "is required")]),
        (1, 1 << 50, [("window.end_time", "is no time between the years 1 and 9999")]),
    ],
)
def test_windows(start: int | None, end: int | None, found: list[tuple[str, str]]) -> None:
    window = FeatureWindow(
        start_time=None if start is None else Timestamp(seconds=start),
        end_time=None if end is None else Timestamp(seconds=end),
    )

    assert violations(lambda check: check.window("window", window, required=True)) == found


def struct(**form: Any) -> Struct:
    message = Struct()
    message.update(form)
    return message


def test_a_config_is_the_json_that_was_sent() -> None:
    form = {"image": "sha256:1", "replicas": 3, "rate": 0.5, "flags": {"on": True, "off": None}}

    assert Validation().config("config", struct(**form)) == form
    assert type(Validation().config("config", struct(n=3))["n"]) is int
    assert Validation().config("config", struct(n=1e300)) == {"n": 1e300}


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ({"n": float("nan")}, "has a number that JSON has not"),
        ({"n": float("inf")}, "has a number that JSON has not"),
        ({"blob": "x" * 65_536}, "has 65548 bytes as JSON; at most 65536 are allowed"),
        ({"a": [{"b\0": 1}]}, "has a NUL character"),
        ({"a": ["\0"]}, "has a NUL character"),
    ],
)
def test_a_config_that_cannot_be_kept(form: dict[str, Any], found: str) -> None:
    assert violations(lambda check: check.config("config", struct(**form))) == [("config", found)]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_every_config_comes_through_whole(value: Any) -> None:
    assert Validation().config("config", struct(key=value)) == {"key": value}
