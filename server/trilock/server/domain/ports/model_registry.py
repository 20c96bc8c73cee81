"""Where model versions live."""

from typing import Protocol

from trilock.server.domain.bundle import ModelVersion


class ModelRegistry(Protocol):
    """Where model versions live, and which version an alias points at."""

    def capture(self, *, model: str, version: str) -> ModelVersion:
        """Return what *version* of *model* is now.

        Raises:
            NotFoundError: The model, the version or its MLmodel file is not there.
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def verify(self, captured: ModelVersion) -> tuple[str, ...]:
        """Return how the registry differs from *captured*; empty if it does not.

        Raises:
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def load(self, captured: ModelVersion, *, seconds: float) -> tuple[str, ...]:
        """Return why the version cannot be loaded; empty if it can.

        Loading runs the model's own code, so it happens in a worker process, which is
        ended after *seconds*.
        """
        ...

    def alias(self, *, model: str, alias: str) -> str | None:
        """Return the version *alias* points at, or None.

        Raises:
            NotFoundError: There is no such model.
            PlaneUnavailableError: The registry does not answer.
        """
        ...

    def set_alias(self, *, model: str, alias: str, version: str | None) -> None:
        """Point *alias* at *version*, or remove it, and read it back. Idempotent.

        Raises:
            NotFoundError: There is no such model or version.
            ForeignEditError: Somebody else moved it at the same time.
            PlaneUnavailableError: No answer; whether it was set is unknown.
        """
        ...
