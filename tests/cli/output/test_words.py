import pytest

from trilock.cli.output.words import shorter, shorter_commits

ALIAS = "models/delay/aliases/production"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"readers of {ALIAS} to models/delay/bundles/2",
            "readers of delay@production to bundle 2",
        ),
        ("models/delay/releases/2 went live; x", "release 2 went live; x"),
        ("models/eta/bundles/3 is not on hold.", "bundle eta/3 is not on hold."),
        ("bundle models/delay/bundles/9: on hold", "bundle 9: on hold"),
        ("models/delay/sinks/flights-2.", "sink flights-2."),
        ("define featureSchemas/delay_v1/versions/3 in", "define schema delay_v1/3 in"),
        ("models/delay is a folder", "models/delay is a folder"),
    ],
)
def test_names_are_as_people_type_them(text: str, shown: str) -> None:
    assert shorter(text, alias=ALIAS) == shown


def test_without_an_alias_the_model_is_said() -> None:
    assert shorter("models/delay/bundles/2", alias="") == "bundle delay/2"


def test_a_commit_is_as_long_as_it_need_be() -> None:
    assert shorter_commits(f"{'0a' * 20} -> {'b1' * 32}") == f"0a0a0a0a0a0a -> {'b1' * 32}"
