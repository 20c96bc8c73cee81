"""Feast's protos load without Feast, and live in peace with it."""

import subprocess
import sys

import pytest

LIGHT = """
import sys
import trilock.server.planes.feast.feature_store
from trilock.server.planes.feast import protos
protos.kinds()
print(sorted({"feast", "pandas", "dask"} & set(sys.modules)))
"""

PROTOS_FIRST = """
from trilock.server.planes.feast import protos
ours = protos.kinds()["entity"].message
import feast
entity = feast.Entity(name="x", join_keys=["x"], value_type=feast.ValueType.STRING)
print(type(entity.to_proto()) is ours, feast.Entity.from_proto(entity.to_proto()) == entity)
"""

FEAST_FIRST = """
import feast
from trilock.server.planes.feast import protos
ours = protos.kinds()["entity"].message
entity = feast.Entity(name="x", join_keys=["x"], value_type=feast.ValueType.STRING)
print(type(entity.to_proto()) is ours, feast.Entity.from_proto(entity.to_proto()) == entity)
"""


def start(program: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_server_reads_protos_without_importing_feast() -> None:
    with start(LIGHT) as process:
        out, _ = process.communicate()

    assert out == "[]\n"


@pytest.mark.slow
def test_feast_works_whichever_comes_first() -> None:
    with start(PROTOS_FIRST) as one, start(FEAST_FIRST) as other:
        answers = [process.communicate()[0] for process in (one, other)]

    assert answers == ["True True\n", "True True\n"]
