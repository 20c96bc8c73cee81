"""Every outside system that the settings name."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports.feature_store import NO_BOUNDS, FeatureStore, FillBounds
from trilock.server.domain.ports.model_registry import ModelRegistry
from trilock.server.domain.ports.pipeline import Pipeline, Workspace
from trilock.server.domain.ports.sink_database import SinkDatabase
from trilock.server.domain.ports.sink_records import SinkRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How the feature projects of one model are filled, compared and retired."""

    bounds: FillBounds = NO_BOUNDS
    sample: int = 100
    """Entities of each view that are compared with their source, value by value."""
    retire_after: timedelta = timedelta(days=14)
    """How long a project is kept that no release needs any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """The outside systems of one model, as the settings name them."""

    registry: ModelRegistry
    registered_model: str
    """The model's name in the registry."""
    features: FeatureStore
    base_project: str
    """The Feast project that candidates are captured from."""
    mirror_project: str | None
    """The live project that is kept equal to the live bundle; None for none."""
    pipeline: Pipeline
    repository: Path
    """The git repository of the pipeline, for `capture_repository`."""
    repository_folder: str
    """The Feast repository's folder in it."""
    workspace: Workspace | None = None
    """Where the outputs of a live bundle's pipeline are; None for nowhere."""
    max_feature_lag: timedelta | None = None
    """How far behind a rollback target's features may be; None for however far."""
    loads_model: bool = False
    """Whether a rollback target's model is loaded now and then, to see that it can be."""
    reasserts_drift: bool = False
    """Whether what others change is made to agree again, not only reported."""
    filling: Filling = Filling()
    """How its feature projects are filled."""
    readers: tuple[str, ...] = ()
    """URLs of feature servers that are asked, in place, until they serve what is live."""
    reader_cache: timedelta | None = timedelta()
    """How long readers go on with the definitions that they have; None for good."""
    in_place: bool = False
    """Whether readers read the mirror project, and the live schema's tables are swapped in."""

    def home(self, schema: FeatureSchema) -> str:
        """Return the Feast project in which the values of *schema* are now."""
        if self.in_place and self.mirror_project is not None:
            state = self.features.in_place(schema.capture, project=self.mirror_project)
            if state is not None and state.holds == schema.project:
                return self.mirror_project
        return schema.project


class Freezing(StrEnum):
    """Whether others may define anything in the Feast projects that trilock keeps."""

    OFF = "off"
    """They may; drift is seen, and nothing of it is in the registry."""
    ON = "on"
    """They may not."""
    REMOVE = "remove"
    """They may again: what kept them out is taken away."""


class Connections(Protocol):
    """Every outside system the settings name, made on first use."""

    def models(self) -> tuple[str, ...]:
        """Return the names of the models in the settings, sorted."""
        ...

    def has_mirror(self, alias: AliasRef) -> bool:
        """Return whether the settings name a mirror project for *alias*; opens nothing.

        At most one alias of a model has it. False for a model that is not in them
        (any more): a rollback needs no settings (I7), so it must not be stopped by them.
        """
        ...

    def mirror_readers(self, alias: AliasRef) -> tuple[str, ...]:
        """Return the other models whose readers read the mirror project of *alias*, sorted.

        Opens nothing; empty for an alias without a mirror, or a model not in the settings.
        """
        ...

    def mirrors_read(self, model: str) -> tuple[AliasRef, ...]:
        """Return the aliases of other models whose mirror project readers of *model* read, sorted.

        The reverse of `mirror_readers`.
        """
        ...

    def in_place_project(self, alias: AliasRef) -> str | None:
        """Return the one Feast project that *alias* is served from; None side by side.

        Opens nothing, like `has_mirror`.
        """
        ...

    def freezing(self, model: str) -> Freezing:
        """Return whether the projects of *model* are frozen; opens nothing.

        OFF for a model that is not in the settings (any more).
        """
        ...

    def workspace_of(self, model: str) -> str | None:
        """Return the alias whose outputs the workspace of *model* holds; opens nothing.

        None where it has none, or the settings do not have the model (any more).
        """
        ...

    def follows_workspace(self, alias: AliasRef) -> bool:
        """Return whether a workspace is to follow *alias* by itself; opens nothing."""
        ...

    def planes(self, model: str) -> Planes:
        """Return the planes of *model*.

        Raises:
            UnknownConnectionError: The settings have no such model.
        """
        ...

    def sink_database(self, connection: str) -> SinkDatabase:
        """Return the database behind *connection*.

        Raises:
            UnknownConnectionError: The settings have no such connection for sinks.
        """
        ...

    def sink_records(self, connection: str) -> SinkRecords:
        """Return what the database behind *connection* remembers of releases.

        Raises:
            UnknownConnectionError: The settings have no such connection for sinks.
        """
        ...
