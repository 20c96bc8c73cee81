"""Delete what sinks keep of releases that ended, because somebody says so."""

from trilock.server.domain.errors import InvalidRequestError, WrongStateError
from trilock.server.domain.names import ModelName, ReleaseRef
from trilock.server.store.clock import now_ms
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import list_release_sinks
from trilock.server.usecases.runtime import Runtime
from trilock.server.watching.purger import Purged, purge


def purge_receipts(
    runtime: Runtime,
    *,
    model: ModelName | None,
    release: ReleaseRef | None,
    older_than_ms: int,
    validate_only: bool,
) -> tuple[Purged, ...]:
    """Purge what ended at least *older_than_ms* ago; *release*, if given, whenever it ended.

    Raises:
        NotFoundError: There is no such release.
        WrongStateError: *release* has not ended, or its sinks have not followed yet.
    """
    if release is not None:
        if model is not None and release.model != model:
            raise InvalidRequestError([("release", f"{release} is not of model {model!r}")])
        _require_settled(runtime, release)
        older_than_ms = 0
    return purge(
        runtime.database,
        runtime.connections,
        model=model,
        release=release,
        # One more, so that what ended in this very millisecond has ended.
        ended_before_ms=now_ms() - older_than_ms + 1,
        validate_only=validate_only,
    )


def _require_settled(runtime: Runtime, ref: ReleaseRef) -> None:
    with runtime.database.read() as session:
        release = get_release(session, ref)
        open_sinks = [
            noted.sink.sink for noted in list_release_sinks(session, ref) if noted.state != "CLOSED"
        ]
    if release.ended is None:
        raise WrongStateError(resource=str(ref), state=release.state.value, verb="purged")
    if open_sinks:
        raise WrongStateError(
            resource=f"{ref} in {', '.join(open_sinks)}",
            state="not settled",
            verb="purged",
            hint="`trilock status` shows what it waits for",
        )
