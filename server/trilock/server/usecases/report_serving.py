"""Take down what processes serve: many reports, one transaction."""

from collections.abc import Sequence

from trilock.server.domain.errors import AlreadyExistsError
from trilock.server.domain.fleet import ServingReport
from trilock.server.store.fleet import Recorded, conclude, record_report
from trilock.server.usecases.runtime import Runtime


def report_serving(
    runtime: Runtime, reports: Sequence[ServingReport]
) -> list[Recorded | AlreadyExistsError]:
    """Write *reports*; return what became of each. One that is refused disturbs no other.

    Raises:
        UnavailableError: The database does not answer; nothing was written.
    """
    # In one order everywhere, so that replicas that write at the same time do not lock
    # each other out.
    order = sorted(range(len(reports)), key=lambda at: reports[at].watcher)
    outcomes: dict[int, Recorded | AlreadyExistsError] = {}
    with runtime.database.write() as session:
        for at in order:
            try:
                outcomes[at] = record_report(session, reports[at])
            except AlreadyExistsError as error:
                outcomes[at] = error
        conclude(session, [one for one in outcomes.values() if isinstance(one, Recorded)])
    return [outcomes[at] for at in range(len(reports))]
