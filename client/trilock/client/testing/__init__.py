"""A trilock for your own tests: real gRPC on loopback, in your process, made in milliseconds.

    with FakeTrilock() as trilock:
        trilock.release("delay", model_version="3")
        with Resolver(trilock.address, ["delay"]) as resolver:
            ...
            trilock.promote("delay", model_version="4")
            trilock.roll_back("delay", reason="too high")
            with trilock.outage():
                ...

It answers what serving processes ask, with the guarantees of the real server: one
suite of tests is run against both. It checks nothing, has no planes, no sinks and no
tokens, and whatever was promoted serves at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

import grpc

from trilock.client.live import LiveBundle
from trilock.client.names import alias_resource
from trilock.client.testing._services import BundleService, Mood, ServingService, handler
from trilock.client.testing._store import Store
from trilock.v1 import bundle_pb2
from trilock.v1.release_pb2 import Cause, ReleaseState

__all__ = ["FakeTrilock"]

_ALL: Final = 100


class FakeTrilock:
    """A server to script. A context manager; several may run at once.

    Args:
        progress: Seconds after which a silent stream is told how far it has seen.
        streams: How many streams can be open at once.
    """

    def __init__(self, *, progress: float = 15.0, streams: int = 64) -> None:
        self._store = Store()
        self._mood = Mood()
        # Each stream holds a thread for as long as it is open.
        self._server = grpc.server(ThreadPoolExecutor(max_workers=streams))
        services = (
            ServingService(self._store, self._mood, progress=progress),
            BundleService(self._store, self._mood),
        )
        self._server.add_generic_rpc_handlers(tuple(handler(service) for service in services))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        """For `Client` and `Resolver`."""

    def record(
        self,
        model: str,
        *,
        model_version: str = "1",
        registered_model: str = "",
        feature_service: str = "",
        feature_project: str = "",
        pipeline_revision: str = "",
        serving_config: Mapping[str, Any] | None = None,
        mlmodel_sha256: str = "",
        contract_digest: str = "",
        semantics_digest: str = "",
        objects: Sequence[str] = (),
        columns: Sequence[str] = (),
    ) -> str:
        """Record a bundle and return its name. What is left out is made up from its number.

        Args:
            model: The model's name in trilock.
            model_version: Its version in the registry.
            registered_model: Its name there.
            feature_service: The feature service.
            feature_project: The Feast project.
            pipeline_revision: The commit.
            serving_config: Delivered to the serving layer as it is.
            mlmodel_sha256: Digest of the MLmodel file.
            contract_digest: Of the feature schema.
            semantics_digest: Of the feature schema.
            objects: `kind/name` of every Feast definition of the service.
            columns: `view:feature` of every feature that is delivered.
        """
        prefix = f"models/{model}/bundles/"
        number = 1 + sum(name.startswith(prefix) for name in self._store.bundles)
        service = feature_service or model
        schema = bundle_pb2.FeatureSchema(
            name=f"featureSchemas/{service}/versions/{number}",
            service=service,
            project=feature_project or f"{model}__s{number}",
            contract_digest=contract_digest or _digest("contract", model, number),
            semantics_digest=semantics_digest or _digest("semantics", model, number),
            objects=[
                bundle_pb2.FeatureObject(kind=kind, name=name)
                for kind, _, name in (one.partition("/") for one in objects)
            ],
        )
        pairs = [one.split(":") for one in columns]
        schema.contract.update({"features": [{"view": v, "name": n} for v, n in pairs]})
        bundle = bundle_pb2.Bundle(
            name=f"{prefix}{number}",
            digest=_digest("bundle", model, number),
            model_version=bundle_pb2.ModelVersion(
                registered_model=registered_model or model,
                version=model_version,
                mlmodel_sha256=mlmodel_sha256 or _digest("model", model, number),
            ),
            feature_schema=schema,
            pipeline_commit=bundle_pb2.PipelineCommit(
                revision=pipeline_revision or f"{number:040x}"
            ),
        )
        bundle.serving_config.update(serving_config or {})
        self._store.record(bundle)
        return bundle.name

    def release(
        self,
        alias: str,
        bundle: str = "",
        *,
        reason: str = "",
        **tuple_: Any,  # noqa: ANN401 - what `record` takes
    ) -> LiveBundle:
        """Promote and finalize: make *bundle* live for good.

        Args:
            alias: `delay`, `delay@canary` or the full name.
            bundle: A recorded bundle; if empty, one that is recorded now.
            reason: Why.
            **tuple_: As for `record`, if *bundle* is empty.

        Raises:
            LookupError: No such bundle was recorded.
        """
        self.promote(alias, bundle, reason=reason, **tuple_)
        return self.finalize(alias, reason=reason)

    def promote(
        self,
        alias: str,
        bundle: str = "",
        *,
        canary: int = 0,
        shadow: bool = False,
        reason: str = "",
        **tuple_: Any,  # noqa: ANN401 - what `record` takes
    ) -> LiveBundle:
        """Make *bundle* live; what it replaces stands by. See `release`.

        Args:
            alias: See `release`.
            bundle: See `release`.
            canary: From 1 to 99: give it only so many percent of the requests.
            shadow: Give it a copy of the requests only.
            reason: Why.
            **tuple_: See `release`.

        Raises:
            LookupError: No such bundle was recorded, or there is nothing to try it beside.
        """
        name = alias_resource(alias)
        bundle = bundle or self.record(name.split("/")[1], **tuple_)
        if canary or shadow:
            before = self._require_live(name)
            tried = self._store.serving(bundle)
            return self._commit(
                name,
                live=before.live,
                standby=_standby(before),
                state=before.state,
                reason=reason,
                canary=tried if canary else None,
                canary_percent=canary,
                shadow=tried if shadow else None,
            )
        replaced = self._store.live.get(name)
        return self._commit(
            name,
            live=self._store.serving(bundle),
            standby=None if replaced is None else replaced.live,
            state=ReleaseState.RELEASE_STATE_SOAKING,
            reason=reason,
        )

    def advance(self, alias: str, percent: int) -> LiveBundle:
        """Give the canary *percent* of the requests; at 100 it is live, and soaks.

        Raises:
            LookupError: There is no canary.
        """
        name = alias_resource(alias)
        before = self._require_live(name)
        if not before.HasField("canary"):
            raise LookupError(f"{alias} has no canary")
        if percent >= _ALL:
            state = ReleaseState.RELEASE_STATE_SOAKING
            return self._commit(
                name, live=before.canary, standby=before.live, state=state, reason=""
            )
        return self._commit(
            name,
            live=before.live,
            standby=_standby(before),
            state=before.state,
            reason="",
            canary=before.canary,
            canary_percent=percent,
        )

    def finalize(self, alias: str, *, reason: str = "") -> LiveBundle:
        """End the soak of what is live.

        Raises:
            LookupError: Nothing was ever released there.
        """
        name = alias_resource(alias)
        live = self._require_live(name)
        return self._commit(
            name,
            live=live.live,
            standby=_standby(live),
            state=ReleaseState.RELEASE_STATE_FINALIZED,
            reason=reason,
        )

    def roll_back(self, alias: str, *, reason: str = "", incident: str = "") -> LiveBundle:
        """Make the standby live again, as a new release; or end the canary or the shadow.

        Raises:
            LookupError: There is nothing to go back to.
        """
        name = alias_resource(alias)
        live = self._require_live(name)
        if live.HasField("canary") or live.HasField("shadow"):
            standby, state = _standby(live), live.state
            return self._commit(
                name,
                live=live.live,
                standby=standby,
                state=state,
                reason=reason,
                incident=incident,
            )
        if not live.HasField("standby"):
            raise LookupError(f"{alias} has nothing to go back to")
        return self._commit(
            name,
            live=self._store.serving(live.standby.bundle),
            standby=self._store.target_of(live.standby.release),
            state=ReleaseState.RELEASE_STATE_FINALIZED,
            reason=reason,
            incident=incident,
        )

    def revoke(self, alias: str) -> None:
        """Forget *alias*, as a server whose database was restored from before it: see `restore`."""
        with self._store.changing():
            self._store.live.pop(alias_resource(alias), None)
            self._store.generation += 1

    def compact(self) -> None:
        """Keep no change up to now: who was away is sent to the present state."""
        with self._store.changing():
            self._store.compacted = self._store.revision

    def restore(self, revision: int) -> None:
        """Go back to what was at *revision*, as a restored copy of the database does."""
        self._store.restore(revision)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """End every stream and answer UNAVAILABLE while the block runs."""
        self._mood.down.set()
        try:
            yield
        finally:
            self._mood.down.clear()

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Hang while the block runs: streams stay open, and nobody hears anything."""
        self._mood.silent.set()
        try:
            yield
        finally:
            self._mood.silent.clear()

    @property
    def revision(self) -> int:
        """The store's revision now."""
        return self._store.revision

    def stop(self) -> None:
        """End every call, for good."""
        self._mood.closing.set()
        with self._store.changing():
            pass
        self._server.stop(grace=None).wait()

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every call, for good."""
        self.stop()

    def _require_live(self, name: str) -> Any:  # noqa: ANN401 - a message
        live = self._store.live.get(name)
        if live is None:
            raise LookupError(f"nothing was ever released on {name}")
        return live

    def _commit(
        self,
        name: str,
        *,
        live: Any,  # noqa: ANN401 - a message
        standby: Any,  # noqa: ANN401 - a message
        state: Any,  # noqa: ANN401 - an enum's number
        reason: str,
        incident: str = "",
        **trial: Any,  # noqa: ANN401 - messages, and a number
    ) -> LiveBundle:
        cause = Cause(principal="test", reason=reason, incident=incident)
        message = self._store.commit(
            name, live=live, standby=standby, state=state, cause=cause, **trial
        )
        return LiveBundle.from_live(message)


def _standby(live: Any) -> Any:  # noqa: ANN401 - messages
    return live.standby if live.HasField("standby") else None


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
