"""The pipeline commit of what is live: look at it, restore it, go back to it."""

from dataclasses import dataclass

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import PreconditionError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import Patch, Restorability
from trilock.server.store.bundles import get_bundle
from trilock.server.store.releases import require_live
from trilock.server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePipeline:
    """What is known of the live bundle's pipeline commit."""

    bundle: Bundle
    found: Restorability
    stale: tuple[str, ...]
    workspace_revision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOut:
    """The bundle whose outputs are in a fresh folder of the workspace."""

    bundle: Bundle
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertPatch:
    """The change that makes a feature repository agree with the live bundle."""

    bundle: Bundle
    folder: str
    patch: Patch


def describe_pipeline(runtime: Runtime, *, alias: AliasRef, hashing: bool) -> LivePipeline:
    """Return whether all that the live bundle's commit recorded can still be had.

    Raises:
        NotFoundError: Nothing was ever released there, or the commit is gone.
        PlaneUnavailableError: The repository does not answer.
    """
    bundle = _live(runtime, alias)
    planes = runtime.connections.planes(alias.model)
    found = planes.pipeline.verify(bundle.pipeline_commit, hashing=hashing)
    has_workspace = runtime.connections.workspace_of(alias.model) == alias.alias
    return LivePipeline(
        bundle=bundle,
        found=found,
        stale=planes.pipeline.stale(bundle.pipeline_commit),
        workspace_revision=planes.workspace.current()
        if planes.workspace is not None and has_workspace
        else None,
    )


def checkout_pipeline(runtime: Runtime, *, alias: AliasRef) -> CheckedOut:
    """Restore the live bundle's outputs into the workspace of *alias*.

    Raises:
        NotFoundError: Nothing was ever released there.
        PreconditionError: The settings name no workspace for the alias.
        NotReadyError: Outputs are missing or corrupt; nothing was changed.
    """
    bundle = _live(runtime, alias)
    workspace = runtime.connections.planes(alias.model).workspace
    owner = runtime.connections.workspace_of(alias.model)
    if workspace is None or owner is None:
        raise PreconditionError(
            f"model {alias.model!r} has no workspace: set `workspace` in [models.{alias.model}] "
            "of the server's settings",
            model=alias.model,
        )
    if owner != alias.alias:
        raise PreconditionError(
            f"the workspace of model {alias.model!r} is for alias {owner!r}, not {alias.alias!r}",
            model=alias.model,
        )
    return CheckedOut(bundle=bundle, folder=workspace.checkout(bundle.pipeline_commit))


def revert_patch(runtime: Runtime, *, alias: AliasRef, head: str | None) -> RevertPatch:
    """Return the change that makes the feature repository agree with the live bundle.

    Args:
        runtime: What to work on.
        alias: What is live there is right.
        head: The full id of the commit to go back from; None for the repository's HEAD.

    Raises:
        NotFoundError: Nothing was ever released there, or there is no such commit.
        PreconditionError: The patch is too large.
        PlaneUnavailableError: The repository does not answer.
    """
    bundle = _live(runtime, alias)
    planes = runtime.connections.planes(alias.model)
    # Features that were captured from a project have no commit but the pipeline's.
    revision = bundle.feature_schema.capture.revision or bundle.pipeline_commit.revision
    folder = planes.repository_folder
    patch = planes.pipeline.patch(head=head, revision=revision, folder=folder)
    return RevertPatch(bundle=bundle, folder=folder, patch=patch)


def _live(runtime: Runtime, alias: AliasRef) -> Bundle:
    with runtime.database.read() as session:
        return get_bundle(session, require_live(session, alias).bundle)
