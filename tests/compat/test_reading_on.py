"""Whether a model reads on when the features it was recorded with are replaced by others."""

import pytest

from tests.compat.raws import plain, signature
from trilock.compat import FeatureSet, Policy, Subject, reading_on

OLD = plain({"temp": "Float64", "wind": "Float64"})


def told(after: FeatureSet, *, reads: dict[str, str] | None) -> list[str]:
    """Return why a model that was recorded with OLD does not read on."""
    reader = Subject(
        name="reader", signature=None if reads is None else signature(reads), features=OLD
    )
    return list(reading_on(reader, after=after, policy=Policy()))


TEMP = {"temp": "double"}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (OLD, []),
        # One more is nothing to it, and one that it does not read may go.
        (plain({"temp": "Float64", "wind": "Float64", "sky": "String"}), []),
        (plain({"temp": "Float64"}), []),
        (plain({"temp": "Float64", "wind": "Int64"}), []),
        (plain({"wind": "Float64"}), ["weather:temp is not there"]),
        (
            plain({"temp": "Float32", "wind": "Float64"}),
            ["weather:temp would be Float32, not Float64"],
        ),
        (
            plain({"temp": "Float64", "wind": "Float64"}, ttl="60s"),
            ["weather:temp would be made in another way: feature_view/weather"],
        ),
        (
            plain({"temp": "Float64"}, request_fields={"distance": "Float64"}),
            ["request field distance of type Float64 would have to be passed"],
        ),
        (
            plain({"temp": "Float64"}, keys={"gate": "String"}),
            [
                "weather:temp would be made in another way: feature_view/weather",
                "join key gate of type String would have to be passed",
            ],
        ),
    ],
)
def test_what_it_reads_must_be_there_of_its_type_and_made_as_it_was(
    after: FeatureSet, expected: list[str]
) -> None:
    assert told(after, reads=TEMP) == expected


def test_a_model_that_does_not_name_what_it_reads_reads_on_from_the_same_only() -> None:
    assert told(OLD, reads=None) == []
    assert told(plain({"temp": "Float64", "wind": "Float64", "sky": "String"}), reads=None) == [
        "its model does not name the columns that it reads, and the features are others"
    ]
