"""What the fake knows: releases, in the order of their revisions. No network, no waiting."""

from __future__ import annotations  # an enum's ValueType is in the stubs only

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from trilock.v1 import bundle_pb2, release_pb2, serving_pb2
from trilock.v1.release_pb2 import ReleaseState


class Store:
    """Bundles, what is live, and every change of that.

    `changed` is held by whoever reads or writes more than one thing, and notified
    after every change.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.generation = 1
        self.revision = 0
        self.compacted = 0
        """Changes up to here are no longer kept."""
        self.live: dict[str, serving_pb2.LiveBundle] = {}
        self.history: list[serving_pb2.LiveBundle] = []
        self.bundles: dict[str, bundle_pb2.Bundle] = {}
        self._releases: dict[str, int] = {}
        self._targets: dict[str, serving_pb2.ServingBundle] = {}

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the store, and wake everybody at the end."""
        with self.changed:
            yield
            self.changed.notify_all()

    def record(self, bundle: bundle_pb2.Bundle) -> None:
        """Remember *bundle* by its name."""
        with self.changing():
            self.bundles[bundle.name] = bundle

    def serving(self, name: str) -> serving_pb2.ServingBundle:
        """Return *name* as a new release of it is served.

        Raises:
            LookupError: No such bundle was recorded.
        """
        bundle = self.bundles.get(name)
        if bundle is None:
            raise LookupError(f"there is no bundle {name!r}: record it first")
        model = name.split("/")[1]
        number = self._releases[model] = self._releases.get(model, 0) + 1
        schema = bundle.feature_schema
        message = serving_pb2.ServingBundle(
            bundle=name,
            release=f"models/{model}/releases/{number}",
            registered_model=bundle.model_version.registered_model,
            model_version=bundle.model_version.version,
            feature_project=schema.project,
            feature_service=schema.service,
            pipeline_revision=bundle.pipeline_commit.revision,
            sink_epoch=number,
        )
        message.serving_config.CopyFrom(bundle.serving_config)
        return message

    def commit(
        self,
        alias: str,
        *,
        live: serving_pb2.ServingBundle,
        standby: serving_pb2.ServingBundle | None,
        state: ReleaseState.ValueType,
        cause: release_pb2.Cause,
        canary: serving_pb2.ServingBundle | None = None,
        canary_percent: int = 0,
        shadow: serving_pb2.ServingBundle | None = None,
    ) -> serving_pb2.LiveBundle:
        """Change what is live on *alias*: one revision more."""
        with self.changing():
            self.revision += 1
            message = serving_pb2.LiveBundle(
                alias=alias,
                live=live,
                state=state,
                revision=self.revision,
                generation=self.generation,
                cause=cause,
                canary=canary,
                canary_percent=canary_percent,
                shadow=shadow,
            )
            if standby is not None:
                message.standby.CopyFrom(standby)
                self._targets.setdefault(live.release, standby)
            self.live[alias] = message
            self.history.append(message)
        return message

    def target_of(self, release: str) -> serving_pb2.ServingBundle | None:
        """Return the rollback target that *release* was made with."""
        return self._targets.get(release)

    def restore(self, revision: int) -> None:
        """Go back to what was at *revision*, as a restored copy does: a new generation."""
        with self.changing():
            self.generation += 1
            self.history = [one for one in self.history if one.revision <= revision]
            self.live = {}
            for one in self.history:
                self.live[one.alias] = one
            for alias, one in self.live.items():
                restored = serving_pb2.LiveBundle()
                restored.CopyFrom(one)
                restored.generation = self.generation
                self.live[alias] = restored
            self.revision = self.compacted = revision

    def after(self, cursor: int, aliases: frozenset[str]) -> list[serving_pb2.LiveBundle]:
        """Return the changes of *aliases* after revision *cursor*, oldest first."""
        return [
            one
            for one in self.history
            if one.revision > cursor and (not aliases or one.alias in aliases)
        ]

    def state(self, aliases: frozenset[str]) -> list[serving_pb2.LiveBundle]:
        """Return what is live on *aliases*, by name."""
        known: Mapping[str, serving_pb2.LiveBundle] = self.live
        return [known[name] for name in sorted(known) if not aliases or name in aliases]
