"""Swap the features of what is about to go live into the one project, and see that it serves them.

It does what the projection of that project does, before the pivot and not after it, and
under the same lease: never two at once. Nothing is taken back here: once the operation does
not lead any more, the project follows what is live (`lead_features`).
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

from trilock.server.checks.drift import FEATURE_MIRROR
from trilock.server.checks.middle import MiddleJudge
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    AbortedError,
    WaitingError,
    WindowNotAcceptedError,
)
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Json, JsonValue
from trilock.server.domain.ports import Connections, Planes
from trilock.server.features.filling import is_being_filled
from trilock.server.features.in_place import observe_in_place, swap_in_place, wanted_in_place
from trilock.server.operations.step import Tell
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.leading import held_in_place
from trilock.server.store.plane_states import plane_scope
from trilock.server.store.releases import require_live
from trilock.server.workers.lease import FencedError, Leases


class SwapFeatures:
    """Implements Step and LongStep. Args: alias, bundle, project."""

    name: ClassVar[str] = "swap_features"
    timeout: ClassVar[float] = 3600.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections
        self._middle = MiddleJudge(database, connections)

    def look(self, args: Json) -> JsonValue:
        """Return whether the project serves the features, compared with their sources."""
        planes, schema = self._planes(args), self._bundle(args).feature_schema
        found = observe_in_place(planes, schema, project=args["project"])
        return found == wanted_in_place(schema)

    def want(self, args: Json) -> JsonValue:
        """Return True: served."""
        del args
        return True

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        """Do what `apply_telling` does, in silence."""
        return self.apply_telling(args, before=before, tell=lambda _: None)

    def apply_telling(self, args: Json, *, before: JsonValue, tell: Tell) -> JsonValue:
        """Swap the tables, wait for whoever feeds them, and compare, as after a switch.

        Raises:
            WindowNotAcceptedError: What is live does not go together with them any more.
            AbortedError: The operation was told to turn back, or pre-empted.
            WaitingError: The project is being fed or driven, or readers have not followed.
            NotReadyError: Its values are not those of its sources.
        """
        alias, project = AliasRef.parse(args["alias"]), args["project"]
        bundle, planes = self._bundle(args), self._planes(args)
        self._require_compatible(alias, bundle)
        with self._alone(alias):
            with self._database.read() as session:
                # Who was pre-empted may get here late: the project follows what is live again.
                if held_in_place(session, require_live(session, alias)) != bundle.ref:
                    raise AbortedError(f"{bundle.ref} leads no more: the operation turns back")
                if is_being_filled(session, project):
                    raise WaitingError(f"{project} is being fed: it is swapped afterwards")
            swap_in_place(
                self._database,
                planes,
                bundle.feature_schema,
                model=alias.model,
                project=project,
                tell=tell,
            )
        return f"{project} serves {bundle.feature_schema.ref}"

    def undo(self, args: Json, *, before: JsonValue) -> None:
        """Do nothing: the project follows what is live, once nobody leads."""

    def _require_compatible(self, alias: AliasRef, after: Bundle) -> None:
        """Do nothing if what is live reads on: policies may have changed since the plan."""
        with self._database.read() as session:
            before = get_bundle(session, require_live(session, alias).bundle)
        state = self._middle.features_first(alias, before=before, after=after)
        if not state.compatible:
            raise WindowNotAcceptedError(
                alias=str(alias), model=str(before.ref), features=str(after.ref), why=state.why
            )

    @contextmanager
    def _alone(self, alias: AliasRef) -> Iterator[None]:
        """Keep whoever drives the project after a pivot off it while the block runs."""
        leases = Leases(self._database, owner=f"lead-{uuid.uuid4().hex[:8]}")
        with self._database.write() as session:
            lease = leases.claim(session, plane_scope(alias, FEATURE_MIRROR))
        if lease is None:
            raise WaitingError(
                f"{FEATURE_MIRROR} of {alias} is being driven: it is swapped afterwards"
            )
        with leases.kept(lease):
            try:
                yield
            finally:
                with suppress(FencedError), leases.fenced(lease) as session:
                    leases.free(session, lease)

    def _bundle(self, args: Json) -> Bundle:
        with self._database.read() as session:
            return get_bundle(session, BundleRef.parse(args["bundle"]))

    def _planes(self, args: Json) -> Planes:
        return self._connections.planes(AliasRef.parse(args["alias"]).model)
