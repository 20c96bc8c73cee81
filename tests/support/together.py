"""Two models that go live, and back, with one pivot; and the death of who drives it."""

import pytest

from tests.support.sharing_world import ETA_ALIAS, Sharing
from tests.support.values import ALIAS
from trilock.server.domain.operation import Operation
from trilock.server.operations.catalog import steps
from trilock.server.operations.runner import Runner
from trilock.server.workers.lease import free_all

OLD = ["models/delay/bundles/1", "models/eta/bundles/1"]
NEW = ["models/delay/bundles/2", "models/eta/bundles/2"]


class DiedError(BaseException):
    """The process dies here."""


def live(w: Sharing) -> list[str]:
    return [str(w.live_on(alias).bundle) for alias in (ALIAS, ETA_ALIAS)]


def die_at(w: Sharing, operation: Operation, site: str, *, nth: int) -> None:
    """Drive *operation* in a process that dies when it comes to *site* for the *nth* time."""
    seen = []

    def at(name: str) -> None:
        seen.append(name)
        if seen.count(site) == nth:
            raise DiedError

    runner = Runner(w.database, w.runtime.journal, steps(w.database, w), at=at)
    with pytest.raises(DiedError):
        runner.drive(operation.id)
    free_all(w.database)
