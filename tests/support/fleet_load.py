"""Load on a fleet of serving processes while its model is promoted and rolled back."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tests.support.served_world import Served
from tests.support.services import Answer, Service
from tests.support.serving_world import ANSWERS, ServingWorld
from trilock.server.domain.bundle import Bundle
from trilock.v1.fleet_service_pb2 import ListWatchersRequest
from trilock.v1.release_service_pb2 import GetReleaseRequest

_PAUSE: Final = 0.005
"""Between two requests of one thread: the machine has other things to do."""
_DEADLINE: Final = 60.0
_LOOK: Final = 0.02


class Load:
    """Asks all services all the time, and keeps what they said."""

    def __init__(self, services: Sequence[Service], *, threads: int) -> None:
        self.answers: list[Answer] = []
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(service,))
            for service in services
            for _ in range(threads)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join()

    def _ask(self, service: Service) -> None:
        while not self._done.wait(_PAUSE):
            self.answers.append(service.predict())


def rehearse(
    served: Served, services: Sequence[Service], *, pairs: int, good: Bundle, bad: Bundle
) -> list[Answer]:
    """Promote *bad* and roll it back, *pairs* times under load; return every answer.

    After each switch the whole fleet has acknowledged it; how long that took is printed.
    """
    world = served.world
    assert isinstance(world, ServingWorld)
    for service in services:
        service.wait_ready()
    load = Load(services, threads=2)
    seconds: dict[str, list[float]] = {"promote": [], "rollback": []}
    with load.running():
        for _ in range(pairs):
            world.lift(bad)
            world.go_live(bad)
            seconds["promote"].append(_acknowledged(served, watchers=len(services)))
            world.roll_back()
            world.settle()
            seconds["rollback"].append(_acknowledged(served, watchers=len(services)))
    for verb, times in seconds.items():
        worst, median = max(times), sorted(times)[len(times) // 2]
        figure = {"name": f"{verb}_to_last_acknowledgement", "unit": "s", "n": len(times)}
        print(json.dumps({**figure, "median": round(median, 3), "max": round(worst, 3)}))  # noqa: T201 - a figure to report
    return load.answers


def mixed(answers: Sequence[Answer], *, good: Bundle, bad: Bundle) -> list[Answer]:
    """Return the answers that neither bundle gives, or that name the wrong one."""
    right = {str(good.ref): ANSWERS["good"], str(bad.ref): ANSWERS["bad"]}
    return [
        one for one in answers if one.prediction != right.get(one.said.get("trilock-bundle", ""), 0)
    ]


def _acknowledged(served: Served, *, watchers: int) -> float:
    """Wait until *watchers* serve what is live now; return the seconds since the switch."""
    live = served.world.live()
    asked = ListWatchersRequest(alias=str(live.alias))
    for _ in range(round(_DEADLINE / _LOOK)):
        found: Any = served.call("Fleet.ListWatchers", asked)
        times = [
            one.acknowledge_time.ToDatetime()
            for one in found.watchers
            if one.revision >= live.switched_revision
        ]
        if len(times) >= watchers:
            asked_release = GetReleaseRequest(name=str(live.release))
            answer: Any = served.call("Release.GetRelease", asked_release)
            switched = answer.release.start_time.ToDatetime()
            return float((max(times) - switched).total_seconds())
        threading.Event().wait(_LOOK)
    raise AssertionError(found)
