"""`[connections.NAME]`: the outside systems, one class for each kind."""

from typing import Annotated, Literal

from pydantic import Field

from trilock.server.settings.values import DatabaseUrl, File, RegistryUri, Section


class MlflowConnection(Section):
    """An MLflow tracking server or database."""

    kind: Literal["mlflow"]
    uri: RegistryUri


class FeastConnection(Section):
    """A Feast registry with its online store."""

    kind: Literal["feast"]
    feature_store_yaml: File


class GitConnection(Section):
    """A git repository with DVC, on this machine."""

    kind: Literal["git"]
    repository: File
    cache: File | None = None
    """DVC's cache; by default where the repository says."""
    remotes: tuple[File, ...] = ()
    """Folders of DVC remotes that this machine can read."""


class SinkConnection(Section):
    """A database that models write to."""

    kind: Literal["sink"]
    url: DatabaseUrl


Connection = Annotated[
    MlflowConnection | FeastConnection | GitConnection | SinkConnection,
    Field(discriminator="kind"),
]
