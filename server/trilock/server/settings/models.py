"""`[models.NAME]`: where the three parts of a model are, and how its features are kept."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from trilock.server.domain.ports import Freezing
from trilock.server.settings.values import AliasKey, File, Section, Text, wrong


class FillSettings(Section):
    """How the feature projects of one model are filled, compared and retired."""

    chunk_days: float = Field(default=7.0, gt=0, le=3660)
    """Event times that are fed in one go."""
    max_rows: int | None = Field(default=None, ge=1)
    """Entities that one view may have online; a fill stops above it."""
    sample: int = Field(default=100, ge=1, le=100_000)
    """Entities of each view that are compared with their source before a switch."""
    retire_after_days: float = Field(default=14.0, ge=0, le=3660)
    """How long a project is kept that no release needs any more."""


class ModelSettings(Section):
    """Where the three parts of one model are."""

    mlflow: Text
    registered_model: Text
    feast: Text
    base_project: Text | None = None
    """The Feast project candidates are captured from; by default feature_store.yaml's."""
    mirror_project: Text | None = None
    """A live project that is kept equal to the live bundle; by default none."""
    mirror_alias: AliasKey = "production"
    """The alias whose live bundle that is: two of them would overwrite each other."""
    reads_projects: tuple[Text, ...] = ()
    """Mirror projects of other models that readers of this one read, who do not ask trilock."""
    git: Text
    feature_folder: str = ""
    """The Feast repository's folder in the git repository."""
    freeze: Freezing = Freezing.OFF
    """Whether `feast apply` on the projects that trilock keeps is refused; PostgreSQL only."""
    loads_model: bool = False
    """Whether a rollback target's model is loaded once a day, in a process of its own."""
    max_feature_lag_hours: float | None = Field(default=None, gt=0, le=24 * 366)
    """How far behind a rollback target's features may be and it is still READY; by default
    however far."""
    workspace: File | None = None
    """A folder that the live bundle's outputs are restored into; by default none."""
    workspace_alias: AliasKey = "production"
    """The alias whose live bundle that is."""
    workspace_follows: bool = True
    """Whether it follows every switch; else `trilock pipeline checkout` fills it."""
    drift: Literal["report", "reassert"] = "report"
    """What happens to what others change in the planes. A bundle on hold never stays put back."""
    features: Literal["side_by_side", "in_place"] = "side_by_side"
    """Whether every schema is fed in a project of its own, or one project is swapped."""
    feature_servers: tuple[Annotated[str, Field(pattern=r"^https?://[^@\s]+$")], ...] = ()
    """Feast's own servers of the mirror project: in place they are asked until they follow."""
    fill: FillSettings = FillSettings()

    @model_validator(mode="after")
    def _in_place_needs_a_place(self) -> "ModelSettings":
        if self.features == "in_place" and self.mirror_project is None:
            raise wrong("features = in_place needs a mirror_project: the one that readers read")
        return self

    @field_validator("feature_folder")
    @classmethod
    def _folder_is_inside(cls, folder: str) -> str:
        if folder.startswith("/") or ".." in folder.split("/"):
            raise wrong("must be a folder inside the git repository")
        return folder.strip("/")
