"""Remove the feature projects that no release has needed for long, because somebody says so."""

from datetime import UTC, datetime

from trilock.server.domain.names import ModelName
from trilock.server.usecases.runtime import Runtime
from trilock.server.watching.retirer import Retirement, retire


def retire_features(
    runtime: Runtime, *, model: ModelName | None, validate_only: bool, now: datetime | None = None
) -> tuple[Retirement, ...]:
    """Remove what is due, as the server does by itself every hour.

    Args:
        runtime: What to work on.
        model: Only this model's projects; None for all.
        validate_only: Remove nothing.
        now: For tests; by default the clock's time.

    Returns:
        Every project that is there and not needed, sorted by project.

    Raises:
        UnknownConnectionError: The settings have no such model.
    """
    return retire(
        runtime.database,
        runtime.connections,
        model=model,
        now=now or datetime.now(UTC),
        validate_only=validate_only,
    )
