"""What every server promises to those who serve: the real one, and the one for users' tests."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from trilock.client import Client, LiveBundle
from trilock.client.errors import (
    InvalidError,
    NotFoundError,
    RevisionCompactedError,
    UnavailableError,
)
from trilock.client.live import plain_struct
from trilock.v1.bundle_service_pb2 import GetBundleRequest, GetFeatureSchemaRequest
from trilock.v1.serving_service_pb2 import ResolveRequest, WatchRequest, WatchResponse

ALIAS = "models/delay/aliases/production"
OTHER = "models/delay/aliases/canary"
DEADLINE = 20.0


class Operated(Protocol):
    """A running server with one model, `delay`, and what its operators do."""

    client: Client

    def record(self) -> str:
        """Record a bundle that was never there; return its name."""
        ...

    def promote(self, bundle: str, *, canary: int = 0) -> None:
        """Make *bundle* live on production, soaking; or give it *canary* percent."""
        ...

    def advance(self, percent: int) -> None:
        """Give the canary *percent*."""
        ...

    def finalize(self) -> None:
        """End the soak."""
        ...

    def roll_back(self) -> None:
        """Go back, because `it is bad`, for incident `INC-7`."""
        ...

    def compact(self) -> None:
        """Keep no change up to now."""
        ...


class ServingContract:
    """Subclasses bring the fixture `trilock`."""

    @staticmethod
    def resolve(trilock: Operated, **request: Any) -> LiveBundle:
        asked = ResolveRequest(**{"alias": ALIAS, **request})
        return LiveBundle.from_live(trilock.client.serving.Resolve(asked).live_bundle)

    @staticmethod
    @contextmanager
    def watching(trilock: Operated, **request: Any) -> Iterator[Callable[[], WatchResponse]]:
        """Yield a function that returns the next message of a stream."""
        call: Any = trilock.client.serving.Watch(WatchRequest(**request), timeout=DEADLINE)
        try:
            yield lambda: next(call)
        finally:
            call.cancel()

    @staticmethod
    def release(trilock: Operated) -> str:
        bundle = trilock.record()
        trilock.promote(bundle)
        trilock.finalize()
        return bundle

    def changes_until(self, read: Callable[[], WatchResponse], revision: int) -> list[LiveBundle]:
        """Return all that a stream tells up to *revision*."""
        told: list[LiveBundle] = []
        for message in iter(read, None):
            told += [LiveBundle.from_live(live) for live in message.live_bundles]
            if message.revision >= revision:
                return told
        raise AssertionError

    def test_nothing_is_live_before_the_first_release(self, trilock: Operated) -> None:
        with pytest.raises(NotFoundError) as caught:
            self.resolve(trilock)

        assert (caught.value.reason, caught.value.code) == ("NOT_FOUND", "NOT_FOUND")
        assert caught.value.metadata["resource"] == ALIAS

    def test_a_name_that_is_none_is_said_to_be_wrong(self, trilock: Operated) -> None:
        with pytest.raises(InvalidError) as caught:
            self.resolve(trilock, alias="delay@production")

        assert [one.field for one in caught.value.violations] == ["alias"]

    def test_the_first_release_has_nothing_to_go_back_to(self, trilock: Operated) -> None:
        bundle = self.release(trilock)
        live = self.resolve(trilock)

        assert (live.bundle, live.alias, live.state) == (bundle, ALIAS, "FINALIZED")
        assert (live.standby, live.generation > 0, live.revision > 0) == (None, True, True)
        assert live.feature_service == "delay"

    def test_what_is_replaced_stands_by_and_comes_back_as_a_new_release(
        self, trilock: Operated
    ) -> None:
        good = self.release(trilock)
        before = self.resolve(trilock)
        bad = trilock.record()
        trilock.promote(bad)
        soaking = self.resolve(trilock)
        trilock.roll_back()
        after = self.resolve(trilock)

        assert (soaking.bundle, soaking.state) == (bad, "SOAKING")
        assert soaking.standby is not None
        assert (soaking.standby.bundle, soaking.standby.release) == (good, before.release)
        assert (after.bundle, after.state, after.standby) == (good, "FINALIZED", None)
        assert (after.reason, after.incident) == ("it is bad", "INC-7")
        assert before.release != soaking.release != after.release != before.release
        assert before.sink_epoch < soaking.sink_epoch < after.sink_epoch
        assert before.position < soaking.position < after.position
        assert before.model_version == after.model_version != soaking.model_version

    def test_a_canary_gets_its_share_and_is_taken_back_or_goes_live(
        self, trilock: Operated
    ) -> None:
        stable = self.release(trilock)
        first = self.resolve(trilock)
        tried = trilock.record()
        trilock.promote(tried, canary=5)
        small = self.resolve(trilock)
        trilock.advance(50)
        half = self.resolve(trilock)
        trilock.advance(100)
        live = self.resolve(trilock)
        trilock.finalize()
        trilock.promote(trilock.record(), canary=10)
        trilock.roll_back()
        after = self.resolve(trilock)

        assert small.canary is not None
        assert (small.bundle, small.release, small.state) == (stable, first.release, "FINALIZED")
        assert (small.canary.bundle, small.canary_percent, small.shadow) == (tried, 5, None)
        assert (half.canary, half.canary_percent) == (small.canary, 50)
        assert (live.bundle, live.release, live.state) == (tried, small.canary.release, "SOAKING")
        assert live.standby is not None
        assert (live.standby.release, live.canary, live.canary_percent) == (first.release, None, 0)
        assert (after.bundle, after.release, after.canary) == (tried, live.release, None)

    def test_a_bundle_tells_what_it_was_recorded_with(self, trilock: Operated) -> None:
        name = trilock.record()
        bundle = trilock.client.bundles.GetBundle(GetBundleRequest(name=name)).bundle
        asked = GetFeatureSchemaRequest(name=bundle.feature_schema.name)
        schema = trilock.client.bundles.GetFeatureSchema(asked).feature_schema

        assert bundle.name == name
        assert len(bundle.model_version.mlmodel_sha256) == 64
        assert not bundle.feature_schema.objects
        assert schema.contract_digest == bundle.feature_schema.contract_digest != ""
        assert schema.semantics_digest == bundle.feature_schema.semantics_digest != ""
        assert ("feature_service", "delay") in [(one.kind, one.name) for one in schema.objects]
        assert "temp" in [one["name"] for one in plain_struct(schema.contract)["features"]]

    @pytest.mark.parametrize("name", ["models/delay/bundles/99", "models/other/bundles/1"])
    def test_a_bundle_that_was_never_recorded_is_unknown(
        self, trilock: Operated, name: str
    ) -> None:
        with pytest.raises(NotFoundError):
            trilock.client.bundles.GetBundle(GetBundleRequest(name=name))

    def test_who_has_seen_a_revision_never_gets_an_older_answer(self, trilock: Operated) -> None:
        self.release(trilock)
        revision = self.resolve(trilock).revision

        assert self.resolve(trilock, min_revision=revision).revision == revision
        asked = ResolveRequest(alias=ALIAS, min_revision=revision + 1000)
        with pytest.raises(UnavailableError):
            trilock.client.serving.Resolve(asked, timeout=0.5)

    def test_a_stream_begins_with_the_present_state(self, trilock: Operated) -> None:
        self.release(trilock)
        live = self.resolve(trilock)

        with self.watching(trilock) as read:
            first = read()
        with self.watching(trilock, aliases=[OTHER]) as read:
            other = read()

        assert first.snapshot
        assert [LiveBundle.from_live(one) for one in first.live_bundles] == [live]
        assert first.revision >= live.revision
        assert (other.snapshot, list(other.live_bundles)) == (True, [])

    def test_a_stream_tells_every_change_once_in_order(self, trilock: Operated) -> None:
        self.release(trilock)
        with self.watching(trilock, aliases=[ALIAS]) as read:
            first = read()
            self.release(trilock)
            trilock.promote(trilock.record())
            trilock.roll_back()
            told = self.changes_until(read, self.resolve(trilock).revision)

        revisions = [live.revision for live in told]
        assert revisions == sorted(set(revisions))
        assert revisions[0] > first.revision
        bundles = [name for name, _ in itertools.groupby(live.bundle for live in told)]
        numbers = [int(name.rpartition("/")[2]) for name in bundles]
        assert numbers == [2, 3, 2]

    def test_a_stream_is_resumed_inclusive_without_gap_and_repeat(self, trilock: Operated) -> None:
        self.release(trilock)
        first = self.resolve(trilock)
        self.release(trilock)
        trilock.roll_back()
        last = self.resolve(trilock)
        with self.watching(trilock, start_revision=first.revision) as read:
            everything = self.changes_until(read, last.revision)
        middle = everything[1].revision
        with self.watching(trilock, start_revision=middle, generation=last.generation) as read:
            rest = self.changes_until(read, last.revision)

        assert everything[0] == first
        assert everything[-1] == last
        assert rest == everything[1:]

    def test_an_idle_stream_is_told_how_far_it_has_seen(self, trilock: Operated) -> None:
        self.release(trilock)
        with self.watching(trilock, aliases=[OTHER]) as read:
            first = read()
            mark = read()

        assert (list(mark.live_bundles), mark.snapshot) == ([], False)
        assert (mark.revision, mark.generation) == (first.revision, first.generation)

    def test_what_is_no_longer_kept_cannot_be_resumed(self, trilock: Operated) -> None:
        self.release(trilock)
        seen = self.resolve(trilock).revision
        self.release(trilock)
        trilock.compact()

        with (
            pytest.raises(RevisionCompactedError) as caught,
            self.watching(trilock, start_revision=seen) as read,
        ):
            read()
        assert caught.value.reason == "REVISION_COMPACTED"
        with self.watching(trilock) as read:
            assert read().snapshot

    def test_a_generation_that_is_not_there_yet_is_waited_for(self, trilock: Operated) -> None:
        self.release(trilock)
        live = self.resolve(trilock)

        with (
            pytest.raises(UnavailableError),
            self.watching(
                trilock, start_revision=live.revision, generation=live.generation + 1
            ) as read,
        ):
            read()
