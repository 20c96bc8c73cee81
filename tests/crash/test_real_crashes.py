"""A part of `make crash`, drawn anew each time: the seed that repeats it is in the output."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_killed_on_real_planes_trilock_ends_as_if_nothing_had_been() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--sample", "40"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].endswith("violations=0")
    # Six scenarios, to find their sites; and 40 kills.
    assert "runs=46 " in run.stdout
