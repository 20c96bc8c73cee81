"""An online store that is neither SQLite nor PostgreSQL: it remembers what it was told."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from feast.infra.online_stores.online_store import OnlineStore
from feast.repo_config import FeastConfigBaseModel


class RecordingOnlineStoreConfig(FeastConfigBaseModel):
    """Feast finds it by its name."""

    type: Literal["tests.support.recording_online_store.RecordingOnlineStore"] = (
        "tests.support.recording_online_store.RecordingOnlineStore"
    )


class RecordingOnlineStore(OnlineStore):
    """Keeps the names of the views that it was asked to make tables for."""

    made: ClassVar[list[tuple[str, str]]] = []

    def update(
        self,
        config: Any,
        tables_to_delete: Sequence[Any],
        tables_to_keep: Sequence[Any],
        *_: Any,
        **__: Any,
    ) -> None:
        """Remember project and view."""
        self.made.extend((config.project, view.name) for view in tables_to_keep)

    def online_write_batch(self, *_: Any, **__: Any) -> None:
        """Take it."""

    def online_read(self, *_: Any, **__: Any) -> list[Any]:
        """Have nothing."""
        return []

    def teardown(self, *_: Any, **__: Any) -> None:
        """Have nothing."""
