"""What others changed in planes that agreed with the live row. Cheap when nothing moved.

A plane that the converger is still driving deviates for a reason of our own, so
it is not looked at. A Feast project is asked for a token that moves with every
byte, and its definitions are compared only when that moved: materializing moves
the token, and is no drift. Nor is the same code with other bytes: a serialised
transformation carries the folder that it was loaded from.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trilock.compat import parse_features
from trilock.server.domain.bundle import Bundle, FeatureSchema
from trilock.server.domain.drift import Deviation
from trilock.server.domain.errors import (
    NotFoundError,
    PlaneUnavailableError,
    PreconditionError,
    TrilockError,
)
from trilock.server.domain.names import BundleRef
from trilock.server.domain.ports import Connections, Planes
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.holds import list_holds
from trilock.server.store.leading import held_in_place
from trilock.server.store.plane_states import list_plane_states
from trilock.server.store.releases import get_release

MODEL_ALIAS: Final = "model_alias"
FEATURE_MIRROR: Final = "feature_mirror"
FEATURE_PROJECTS: Final = "feature_projects"

_SHORT: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A deviation, and the bundle on hold that somebody put back, if it is one."""

    deviation: Deviation
    held: BundleRef | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at the planes of one alias found."""

    found: tuple[Found, ...]
    unknown: frozenset[tuple[str, str]]
    """Plane and resource of what could not be looked at, or is still being driven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looking:
    """What one look knows."""

    live: LiveRow
    planes: Planes
    bundle: Bundle
    schemas: tuple[FeatureSchema, ...]
    """Of the live bundle, the rollback target and what is on trial."""
    held: tuple[Bundle, ...]
    converged: frozenset[str]
    mirrored: bool
    led: bool
    """Whether an operation has the mirror hold other features, in place, before its pivot."""


class DriftCheck:
    """Compares the planes of an alias with its live row, and remembers what had not moved."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._silent: set[str] = set()
        self._tokens: dict[tuple[str, str, str], str] = {}
        """Token of a project when it was last seen to be as a definition digest says."""

    def look(self, live: LiveRow) -> Look:
        """Return how the planes of *live* deviate.

        Raises:
            UnknownConnectionError: The settings do not have the model.
        """
        looking = self._looking(live)
        found: list[Found] = []
        unknown: set[tuple[str, str]] = set()
        for plane, resource, compare in self._comparisons(looking):
            # What is driven right now is the converger's, and no news.
            driven = plane != FEATURE_PROJECTS and plane not in looking.converged
            # So is what an operation leads with, in place.
            driven = driven or (plane == FEATURE_MIRROR and looking.led)
            try:
                deviation = None if driven else compare()
            except TrilockError as error:
                # Told once, not every few seconds for as long as it lasts.
                level = logging.DEBUG if resource in self._silent else logging.WARNING
                _log.log(level, "whether %s drifted is not known: %s", resource, error)
                self._silent.add(resource)
                driven, deviation = True, None
            else:
                self._silent.discard(resource)
            if driven:
                unknown.add((plane, resource))
            elif deviation is not None:
                found.append(Found(deviation=deviation, held=_held(looking, deviation)))
        return Look(found=tuple(found), unknown=frozenset(unknown))

    def _looking(self, live: LiveRow) -> _Looking:
        planes = self._connections.planes(live.alias.model)
        with self._database.read() as session:
            bundle = get_bundle(session, live.bundle)
            schemas = {
                schema.project: schema
                for ref in live.needed
                for schema in [get_bundle(session, get_release(session, ref).bundle).feature_schema]
            }
            held = tuple(
                get_bundle(session, hold.resource)
                for hold in list_holds(session, model=live.alias.model)
                if isinstance(hold.resource, BundleRef)
            )
            states = list_plane_states(session, live)
            led = held_in_place(session, live) != live.bundle
        return _Looking(
            live=live,
            planes=planes,
            bundle=bundle,
            schemas=tuple(schemas.values()),
            held=held,
            converged=frozenset(state.plane for state in states if state.converged),
            mirrored=self._connections.has_mirror(live.alias),
            led=led,
        )

    def _comparisons(
        self, looking: _Looking
    ) -> list[tuple[str, str, Callable[[], Deviation | None]]]:
        alias = looking.live.alias.alias
        resource = f"alias {alias} of MLflow model {looking.planes.registered_model}"
        mirror = looking.planes.mirror_project if looking.mirrored else None
        # In place the live schema's values are in the mirror, which is compared as such.
        homes = ((looking.planes.home(schema), schema) for schema in looking.schemas)
        projects = [
            *((FEATURE_PROJECTS, home, schema) for home, schema in homes if home != mirror),
            *([(FEATURE_MIRROR, mirror, looking.bundle.feature_schema)] if mirror else []),
        ]

        def compare(plane: str, project: str, schema: FeatureSchema) -> Deviation | None:
            return self._project(looking, schema, plane=plane, project=project)

        return [
            (MODEL_ALIAS, resource, lambda: _alias(looking, resource)),
            *(
                (
                    plane,
                    _named(project),
                    lambda plane=plane, project=project, schema=schema: compare(
                        plane, project, schema
                    ),
                )
                for plane, project, schema in projects
            ),
        ]

    def _project(
        self, looking: _Looking, schema: FeatureSchema, *, plane: str, project: str
    ) -> Deviation | None:
        features, capture = looking.planes.features, schema.capture
        key = (looking.live.alias.model, project, capture.definition_digest)
        # Taken first: what changes while we compare moves it, and is seen at the next look.
        token = features.token(project=project)
        if self._tokens.get(key) == token:
            return None
        found = features.definition(capture, project=project)
        if is_as_recorded(looking.planes, schema, project=project, found=found):
            self._tokens[key] = token
            return None
        return Deviation(
            plane=plane,
            resource=_named(project),
            wanted=capture.definition_digest[:_SHORT],
            found="" if found is None else found[:_SHORT],
            changes=features.differences(capture, project=project),
        )


def is_as_recorded(
    planes: Planes, schema: FeatureSchema, *, project: str, found: str | None
) -> bool:
    """Return whether *project*, whose definition digest is *found*, defines *schema*."""
    # Equal code that was applied from another folder has other bytes.
    return found == schema.capture.definition_digest or _digests(
        planes, schema, project=project
    ) == (schema.contract_digest, schema.semantics_digest, schema.docs_digest)


def _named(project: str) -> str:
    return f"Feast project {project}"


def _alias(looking: _Looking, resource: str) -> Deviation | None:
    planes, alias = looking.planes, looking.live.alias.alias
    wanted = looking.bundle.model_version.version
    found = planes.registry.alias(model=planes.registered_model, alias=alias)
    if found == wanted:
        return None
    what = "was removed" if found is None else f"points at version {found}"
    return Deviation(
        plane=MODEL_ALIAS,
        resource=resource,
        wanted=wanted,
        found=found or "",
        changes=(f"{resource} {what}, not at version {wanted}",)
        if found is not None
        else (f"{resource} was removed; it pointed at version {wanted}",),
    )


def _digests(planes: Planes, schema: FeatureSchema, *, project: str) -> tuple[str, str, str] | None:
    """Return contract, semantics and docs digest of what *project* has under that service."""
    service = schema.capture.service
    try:
        capture = planes.features.capture_project(project=project, service=service)
    except (NotFoundError, PreconditionError) as error:
        if isinstance(error, PlaneUnavailableError):
            raise
        return None  # there is no such service, or not all that it needs
    digests = parse_features(planes.features.describe(capture), service=service).digests
    return digests.contract, digests.semantics, digests.docs


def _held(looking: _Looking, deviation: Deviation) -> BundleRef | None:
    """Return the bundle on hold that is what was found; None if it is none of them."""
    for bundle in looking.held:
        if deviation.plane == MODEL_ALIAS:
            is_it = bundle.model_version.version == deviation.found
        else:
            schema = bundle.feature_schema
            project = deviation.resource.removeprefix(_named(""))
            found = _digests(looking.planes, schema, project=project)
            # Whoever puts it back may have mended a description.
            is_it = found is not None and found[:2] == (
                schema.contract_digest,
                schema.semantics_digest,
            )
        if is_it:
            return bundle.ref
    return None
