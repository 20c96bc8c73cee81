"""`python -m tests.crash.mutants`: take one guard out of trilock at a time, and see the tests fail.

Each mutant is a copy of the server in which one thing that makes crashes and
rivals harmless is gone. Prints a line for each; exits with 1 if the tests did
not notice one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PASSED, _FAILED = 0, 1
"""Exit codes of pytest."""

_ROOT: Final = Path(__file__).parents[2]
_SERVER: Final = Path("trilock/server")
_TESTS: Final = (
    "tests/crash/test_acted_crashes.py",
    "tests/server/operations",
    "tests/server/workers",
    "tests/server/store",
    "tests/server/usecases/test_promote_and_roll_back.py",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One guard, and what is in its place."""

    name: str
    file: str
    guard: str
    instead: str


MUTANTS: Final = (
    Mutant(
        name="epoch check",
        file="workers/lease.py",
        guard="if renewed.rowcount != 1:",
        instead="if renewed.rowcount > 1:",
    ),
    Mutant(
        name="intent write",
        file="operations/driver.py",
        guard="self._ledger.started(entry, before=before)",
        instead="pass",
    ),
    Mutant(
        name="read-back",
        file="operations/driver.py",
        guard='if found != want:\n            raise UnavailableError(f"it reads',
        instead='if found is ...:\n            raise UnavailableError(f"it reads',
    ),
    Mutant(
        name="compare-and-set",
        file="store/releases.py",
        guard="if found != expected:",
        instead="if found is ...:",
    ),
)


def failures(mutant: Mutant | None) -> list[str] | None:
    """Run the tests on *mutant*, or on the server as it is.

    Returns:
        The tests that failed; None if they could not be run.

    Raises:
        ValueError: The guard is not in the code, or not once: it has to be spelt anew.
    """
    with tempfile.TemporaryDirectory(prefix="trilock-mutant-") as folder:
        copy = Path(folder) / "server"
        shutil.copytree(_ROOT / "server", copy, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            file = copy / _SERVER / mutant.file
            text = file.read_text()
            if text.count(mutant.guard) != 1:
                raise ValueError(f"{mutant.file} has not one {mutant.guard!r}")
            file.write_text(text.replace(mutant.guard, mutant.instead))
        pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        run = subprocess.run(
            [*pytest, "-m", "not slow", *_TESTS],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode not in {_PASSED, _FAILED}:
        return None
    return [line for line in run.stdout.splitlines() if line.startswith("FAILED")]


def main() -> int:
    """Try every mutant, as many at once as there are cores; return the exit code."""
    begun = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        as_it_is, *mutated = pool.map(failures, (None, *MUTANTS))
    if as_it_is != []:
        sys.stdout.write("the tests fail as it is: nothing can be told\n")
        return 1
    for mutant, failed in zip(MUTANTS, mutated, strict=True):
        sys.stdout.write(f"{mutant.name}: {failed[0] if failed else 'NOT NOTICED'}\n")
    noticed = sum(map(bool, mutated))
    sys.stdout.write(f"{time.monotonic() - begun:.0f} s\n")
    sys.stdout.write(f"mutants={len(MUTANTS)} noticed={noticed}\n")
    return 0 if noticed == len(MUTANTS) else 1


if __name__ == "__main__":
    sys.exit(main())
