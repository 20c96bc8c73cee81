"""A world in place, and what may be met at the sites of a promotion whose features go first."""

from collections.abc import Callable
from pathlib import Path

from tests.support.values import ALIAS
from tests.support.world import WIDER_INPUTS, WINDOW, World
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.operation import Operation
from trilock.server.store.releases import live_bundle
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.promote import PlannedPromotion, plan_promote

OLD = {"temp": 21.0}
NEW = {"temp": 21.0, "humidity": 0.5}


class Led(World):
    """In place; what comes to a site may be met there."""

    def __init__(self, folder: Path) -> None:
        self.sites: dict[str, Callable[[], object]] = {}
        self.seen: list[str] = []
        self.in_place = True
        super().__init__(folder, at=self.come)

    def come(self, site: str) -> None:
        self.seen.append(site)
        act = self.sites.pop(site, None)
        if act is not None:
            act()

    def wider(self) -> Bundle:
        """Record a bundle with one feature more, and a model that reads it."""
        return self.record(variant="wider", inputs=WIDER_INPUTS)

    def lead(self, bundle: Bundle) -> Operation:
        """Start to promote *bundle*; nobody has to accept anything."""
        return self.promote(bundle, accept_window="")

    def told(self) -> tuple[str, str]:
        """Return model version and project that serving processes are told."""
        with self.database.read() as session:
            live = live_bundle(session, self.live()).live
        return live.model_version, live.feature_project

    def plan(self, bundle: Bundle) -> PlannedPromotion:
        return plan_promote(self.runtime, alias=ALIAS, bundle=bundle.ref, window=WINDOW)

    def converged(self) -> bool:
        return all(plane.converged for plane in describe_alias(self.runtime, ALIAS).planes)
