"""A transformation's digest follows what the source does, and nothing else."""

import base64

import pytest

from trilock.compat.transformation import transformation_form

SOURCE = """\
def warm(inputs):
    return {"warm": [x - 70.0 for x in inputs["temp"]]}
"""


def form(text: str, **more: str) -> dict[str, str]:
    return dict(transformation_form({"name": "warm", "body_text": text, **more}))


SAME = {
    "layout": 'def warm(inputs):\n  return {\n    "warm": [x-70.0 for x in inputs["temp"]],\n  }\n',
    "quotes": SOURCE.replace('"', "'"),
    "comment": SOURCE.replace("    return", "    # F\n    return"),
    "docstring": SOURCE.replace("    return", '    """Warmth."""\n    return'),
    "decorator": "@on_demand_feature_view(sources=[w])\n" + SOURCE,
    "parentheses": SOURCE.replace("x - 70.0", "(x - 70.0)"),
    "underscores in a number": SOURCE.replace("70.0", "7_0.0"),
    "indentation of the whole": "    " + SOURCE.replace("\n", "\n    "),
}

OTHER = {
    "constant": SOURCE.replace("70.0", "21.0"),
    "type of a constant": SOURCE.replace("70.0", "70"),
    "operator": SOURCE.replace(" - ", " + "),
    "name": SOURCE.replace('"temp"', '"dewpoint"'),
    "order": SOURCE.replace("x - 70.0", "70.0 - x"),
    "default": SOURCE.replace("(inputs)", "(inputs, k=1)"),
    "a function without a body": "def warm(inputs):\n    ...\n",
    "bytes for text": SOURCE.replace('["temp"]', '[b"temp"]'),
}


@pytest.mark.parametrize("about", SAME)
def test_what_does_the_same(about: str) -> None:
    assert form(SAME[about]) == form(SOURCE)


@pytest.mark.parametrize("about", OTHER)
def test_what_does_something_else(about: str) -> None:
    assert form(OTHER[about]) != form(SOURCE)


def test_the_form_is_golden() -> None:
    """The research checked that this way to spell a tree is equal on CPython 3.9 to 3.13."""
    assert form(SOURCE, mode="python") == {
        "name": "warm",
        "mode": "python",
        "tree": "59b2987c5623e1fbb9321b5454dc02f621778b5d88f70219ec3af4feb80fe0b3",
    }


def test_the_body_is_not_looked_at() -> None:
    pickled = base64.b64encode(b"cos\nsystem\n(S'false'\ntR.").decode()

    assert form(SOURCE, body=pickled) == form(SOURCE, body="AAAA")


def test_without_a_text_the_body_is_all_there_is() -> None:
    assert form("", body="AAAA") != form("", body="BBBB")


UNPARSABLE = {
    "a lambda cut out of an expression": "    udf=lambda df: df * 2,\n",
    "syntax of tomorrow": "def f(x):\n    frobnicate x\n",
    "a null byte": "def f(x):\n    return '\0'\n",
    "too deep": "(" * 10_000 + ")" * 10_000,
    "a lone surrogate": "x = '\ud800'",
}


@pytest.mark.parametrize("about", UNPARSABLE)
def test_a_text_that_cannot_be_parsed_is_compared_as_text(about: str) -> None:
    text = UNPARSABLE[about]

    assert form(text) == form(f"{text}\n\n")
    assert form(text) != form(SOURCE)
