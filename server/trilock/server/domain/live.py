"""What readers are told of one alias: the live row, with all that hangs on it.

The value that a change's event keeps and a watcher is told. It is made in the
transaction of the change, so a watcher that resumes later is told exactly what
one that was there was told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef
from trilock.server.domain.release import Cause, ReleaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingBundle:
    """What a serving process needs of one bundle: to load, to read, to write."""

    bundle: BundleRef
    release: ReleaseRef | None
    """The release it is live or standing by as; None for one that was asked for by name."""
    registered_model: str
    model_version: str
    feature_project: str
    feature_service: str
    pipeline_revision: str
    sink_epoch: int
    serving_config: Mapping[str, Any]

    @classmethod
    def of(
        cls, bundle: Bundle, *, release: ReleaseRef | None, epoch: int, feature_project: str = ""
    ) -> "ServingBundle":
        """Return what is needed of *bundle* as *release*, whose writers hold *epoch*.

        Its features are read from *feature_project*, by default its schema's own.
        """
        return cls(
            bundle=bundle.ref,
            release=release,
            registered_model=bundle.model_version.name,
            model_version=bundle.model_version.version,
            feature_project=feature_project or bundle.feature_schema.project,
            feature_service=bundle.feature_schema.ref.service,
            pipeline_revision=bundle.pipeline_commit.revision,
            sink_epoch=epoch,
            serving_config=dict(bundle.serving_config),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBundle:
    """The truth about one alias at one revision."""

    alias: AliasRef
    live: ServingBundle
    standby: ServingBundle | None
    """The rollback target, to be kept warm."""
    state: ReleaseState
    """Of the live release."""
    revision: int
    cause: Cause
    """Of the last change."""
    canary: ServingBundle | None = None
    """What `canary_percent` of the requests get instead."""
    canary_percent: int = 0
    shadow: ServingBundle | None = None
    """What gets a copy of the requests, and whose answers nobody sees."""
