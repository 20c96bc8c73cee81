"""Confluent's published table of compatibility types, translated to features.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html

| type | changes allowed | check against |
|---|---|---|
| BACKWARD | delete fields, add optional fields | last version |
| BACKWARD_TRANSITIVE | delete fields, add optional fields | all previous versions |
| FORWARD | add fields, delete optional fields | last version |
| FORWARD_TRANSITIVE | add fields, delete optional fields | all previous versions |
| FULL | add optional fields, delete optional fields | last version |
| FULL_TRANSITIVE | add optional fields, delete optional fields | all previous versions |
| NONE | all changes are accepted | nothing |

The one deviation: an optional field is one with a default value. Feast's
features have none, so "add optional" and "delete optional" do not exist, and
FULL allows neither adding nor deleting.
"""

import pytest

from tests.compat.raws import plain
from trilock.compat import FeatureSet, Mode, Policy, Predecessor, Subject, check

A = plain({"a": "Float64"})
AB = plain({"a": "Float64", "b": "Float64"})
ABC = plain({"a": "Float64", "b": "Float64", "c": "Float64"})
NARROW, WIDE = plain({"a": "Int32"}), plain({"a": "Int64"})
TEXT = plain({"a": "String"})

ALL = {mode.value for mode in Mode}
BACKWARD = {"BACKWARD", "BACKWARD_TRANSITIVE"}
FORWARD = {"FORWARD", "FORWARD_TRANSITIVE"}

# what is changed, the new schema, its predecessors (newest first), the modes that allow it
CASES = [
    ("nothing", AB, [AB], ALL),
    ("delete a field", A, [AB], {"NONE", *BACKWARD}),
    ("add a field", AB, [A], {"NONE", *FORWARD}),
    ("add one and delete one", plain({"a": "Float64", "c": "Float64"}), [AB], {"NONE"}),
    ("promote a type", WIDE, [NARROW], {"NONE", *BACKWARD}),
    ("narrow a type", NARROW, [WIDE], {"NONE", *FORWARD}),
    ("change a type", TEXT, [A], {"NONE"}),
    ("delete, one version after another", A, [AB, ABC], {"NONE", *BACKWARD}),
    ("add, one version after another", ABC, [AB, A], {"NONE", *FORWARD}),
    (
        "add what the last version had and an older one had not",
        AB,
        [AB, A],
        ALL - {"BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"},
    ),
    (
        "delete what the last version had not and an older one had",
        A,
        [A, AB],
        ALL - {"FORWARD_TRANSITIVE", "FULL_TRANSITIVE"},
    ),
    ("anything, after nothing", AB, [], ALL),
]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("about", "new", "old", "allowed"), CASES, ids=[row[0] for row in CASES])
def test_mode_allows(
    about: str, new: FeatureSet, old: list[FeatureSet], allowed: set[str], mode: Mode
) -> None:
    predecessors = [
        Predecessor(
            name=f"bundles/{index}",
            subject=Subject(name=f"bundles/{index}", signature=None, features=features),
        )
        for index, features in enumerate(old)
    ]

    report = check(
        Subject(name="bundles/new", signature=None, features=new),
        policy=Policy(mode=mode),
        predecessors=predecessors,
    )

    found = {one.rule for one in report.findings if one.rule.startswith("EVO")}
    assert (not found) == (mode in allowed)
