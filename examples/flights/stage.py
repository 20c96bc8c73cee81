"""What every act of the story works with."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import pandas as pd
from examples.flights import evidence, flights, processes, sink
from examples.flights.deployment import Deployment, UnexpectedError
from examples.flights.narrator import Narrator
from examples.flights.report import Report
from examples.flights.serve import Server
from examples.flights.world import DAYS, FIRST_DAY, LIVE_PROJECT, World

from trilock.client import LiveBundle
from trilock.client.sinks import SinkWriter

SINK: Final = "predictions"
"""The sink's name in trilock."""
CONNECTION: Final = "warehouse"
"""The connection that it is on."""
WINDOW: Final = (
    *("--features-from", FIRST_DAY),
    *("--features-to", str(date.fromisoformat(FIRST_DAY) + timedelta(days=DAYS))),
)
"""How a promotion is told which days are served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the pipeline, trained and published."""

    revision: str
    """The commit that made it."""
    model: str
    """The model's version in MLflow."""
    service: str
    """The feature service that it was trained for."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """The world, trilock, the narrator and the report."""

    world: World
    trilock: Deployment
    narrator: Narrator
    report: Report
    steps: int = 0

    @contextmanager
    def step(self, phase: str, title: str) -> Iterator[None]:
        """Tell one headed step, which takes as long as the block."""
        self.steps += 1
        self.narrator.head(self.steps, title)
        began = time.monotonic()
        yield
        self.report.seconds[phase] = time.monotonic() - began
        self.narrator.noted(f"step {self.steps} took {self.report.seconds[phase]:.1f} s")

    def prove(self, name: str, holds: object, evidence: str) -> None:
        """Add a proof, and show it."""
        proof = self.report.add(name, holds, evidence)
        self.narrator.proven(name, evidence, holds=proof.holds)

    def server(self, live: LiveBundle) -> Server:
        """Return a serving process for what is live."""
        return Server(
            self.world,
            project=live.feature_project,
            service=live.feature_service,
            version=live.model_version,
        )

    def batch(self, number: int, *, version: str = "v1") -> pd.DataFrame:
        """Return the *number*-th batch of flights, see `flights.batch`."""
        return flights.batch(self.world, number, version=version)

    def look_at_followers(self, live: LiveBundle) -> None:
        """See that those follow who do not ask trilock: MLflow's alias, Feast's live project.

        Raises:
            UnexpectedError: They do not.
        """
        version, own = evidence.live_version(self.world), live.feature_project
        same = evidence.mirrored(self.world, project=own)
        self.narrator.seen(
            f"MLflow: delay@production is version {version}; "
            f"Feast: project {LIVE_PROJECT} is {'' if same else 'not '}defined as {own}"
        )
        if version != live.model_version or not same:
            raise UnexpectedError("MLflow or Feast has not followed the live bundle")

    def look_into_sink(self) -> None:
        """Say what is in the table, and what beside it."""
        table = sink.rows_by_version(self.world)
        staged = evidence.staged_by_version(self.world)
        self.narrator.seen(f"in the table: {_rows(table)}; staged beside it: {_rows(staged)}")

    @property
    def connections(self) -> dict[str, str]:
        """Where the sink is: the writer's own business, not the server's."""
        return {CONNECTION: f"sqlite:///{self.world.predictions}"}


def _rows(by_version: Mapping[str, int]) -> str:
    found = (f"{rows:,} rows of v{version}" for version, rows in sorted(by_version.items()))
    return ", ".join(found) or "nothing"


def write(writer: SinkWriter, predicted: "pd.Series[float]", *, model: str) -> int:
    """Write predictions of model version *model*; return how many rows."""
    rows = pd.DataFrame(
        {"flight_id": predicted.index, "predicted": predicted.to_numpy(), "model_version": model}
    )
    return writer.write(rows)


@contextmanager
def meanwhile(
    function: Callable[..., object], *arguments: object, **named: object
) -> Iterator[None]:
    """Run *function* beside the block; both are done at the end, or it raises what failed."""
    with ThreadPoolExecutor(max_workers=1) as background:
        running = background.submit(function, *arguments, **named)
        try:
            yield
        except BaseException:
            # Nobody waits any more for what it waits for.
            processes.end_all()
            raise
        running.result()
