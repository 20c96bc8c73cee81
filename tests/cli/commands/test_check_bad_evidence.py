"""Evidence of a model version that cannot be read, or is strange: undecidable, or judged; one line.

Against the real server; the registry is the fake that reads MLmodel files as the real one does.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_real_server import Operator
from tests.support.served_world import Served, served_world

COLUMNS = 10_000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_world(tmp_path) as served:
        yield served


@pytest.fixture
def trilock(served: Served, tmp_path: Path) -> Operator:
    return Operator(served, tmp_path, role="admin")


def candidate(served: Served, *, inputs: str | None, model_file: bytes | None = None) -> list[str]:
    """Return the command that checks a newly trained model."""
    version, commit = served.world.train(inputs=inputs)
    if model_file is not None:
        served.world.registry.write_file(
            model="delay", version=version, path="MLmodel", content=model_file
        )
    return ["check", f"--model-version={version}", "--service=delay", f"--commit={commit}"]


@pytest.mark.parametrize(
    ("model_file", "words"),
    [
        (b'signature:\n  inputs: \'[{"type": "dou', "'MLmodel': it is not YAML (line 2)"),
        (b"\x00\xff", "'MLmodel': it is not YAML"),
        (b"- a list", "'MLmodel': it is not a YAML mapping"),
        (b"signature: [1]", "'MLmodel': its signature is not a mapping"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "record"])
def test_a_broken_mlmodel_is_undecidable_and_named(
    *, verb: str, model_file: bytes, words: str, served: Served, trilock: Operator
) -> None:
    _, *options = candidate(served, inputs=None, model_file=model_file)

    run = trilock(verb, *options, code=1)

    assert run.out == ""
    assert run.err.count("\n") == 1
    assert run.err.startswith("error: version 1 of model 'delay' is UNDECIDABLE: ")
    assert words in run.err


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ('[{"type": "double", "name": "te', "signature inputs in its file 'MLmodel': not JSON"),
        (
            '[{"type": "double", "name": "temp"}, {"type": "quaternion", "name": "q"}]',
            "signature inputs[1].type in its file 'MLmodel': unknown type 'quaternion'",
        ),
        ("{}", "signature inputs in its file 'MLmodel': not a JSON array"),
    ],
)
def test_a_broken_signature_is_undecidable_and_named(
    inputs: str, words: str, served: Served, trilock: Operator
) -> None:
    run = trilock(*candidate(served, inputs=inputs), code=1)

    assert (run.out, run.err.count("\n")) == ("", 1)
    assert words in run.err


def test_a_column_that_is_there_twice_is_a_finding(served: Served, trilock: Operator) -> None:
    temp = {"type": "double", "name": "temp", "required": True}

    run = trilock(*candidate(served, inputs=json.dumps([temp, temp])), code=100)

    assert "FIT007  temp: " in run.out


def test_ten_thousand_columns_are_judged_each(served: Served, trilock: Operator) -> None:
    columns = [
        {"type": "double", "name": f"column_{number}", "required": True}
        for number in range(COLUMNS)
    ]

    run = trilock(*candidate(served, inputs=json.dumps(columns)), code=100)

    lines = run.out.splitlines()
    assert lines[1] == "10,000 errors:"
    assert sum(line.startswith("  FIT001  column_") for line in lines) == COLUMNS
