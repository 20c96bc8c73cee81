"""A feature store that contracts and loaders are tried on, and what others do to it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.ports import FeatureStore, Window

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAY = Window(start=NOW - timedelta(days=1), end=NOW - timedelta(hours=5))


class FeatureWorld(Protocol):
    """A feature store, and what others do to it.

    The base project is `delay`. Its service `delay` has the view `weather` and
    an on-demand view `derived` on top of it; the service `places` has the view
    `airports`. There are two variants. In `celsius`, `weather` has `temp`; in
    `scaled` it reads another source and has `humidity`, too. Six hours ago both
    sources had 10, 20 and 30 for EWR, JFK and LGA, `scaled` a hundred times that.
    """

    repository: Path

    @property
    def store(self) -> FeatureStore:
        """The store under test."""
        ...

    def apply(self, variant: str, *, project: str = "delay") -> None:
        """Do what `feast apply` does."""
        ...

    def observe(self, variant: str, *, origin: str, temp: float, at: datetime) -> None:
        """Add a row to the variant's source, in its scale."""
        ...

    def temp(self, project: str, *, origin: str) -> object:
        """Return the `temp` that *project* serves."""
        ...

    def commit(self, variant: str) -> str:
        """Commit the variant, in folder `features` of the repository."""
        ...

    def break_down(self) -> None:
        """From now on the registry does not answer."""
        ...


def capture(world: FeatureWorld, variant: str) -> FeatureCapture:
    world.apply(variant)
    return world.store.capture_project(project="delay", service="delay")


def deployed(world: FeatureWorld, variant: str, *, project: str) -> FeatureCapture:
    captured = capture(world, variant)
    found = world.store.definition(captured, project=project)
    world.store.deploy(captured, project=project, expected=found)
    return captured


def fill(world: FeatureWorld, captured: FeatureCapture, project: str, window: Window = DAY) -> None:
    world.store.fill(captured, project=project, window=window, progress=lambda _: None)
