"""A part of `make crash`, drawn anew each time: the seed that repeats it is in the output."""

import subprocess
import sys

import pytest

from tests.crash.real_scenarios import SCENARIOS

pytestmark = pytest.mark.slow


def test_killed_on_real_planes_trilock_ends_as_if_nothing_had_been() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--sample", "40"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].endswith("violations=0")
    # Every scenario on both databases, to find the sites; and 40 kills.
    assert f"runs={2 * len(SCENARIOS) + 40} " in run.stdout
