"""Domain values for tests: the smallest that are whole, each field with a default."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from trilock.server.domain.bundle import (
    Bundle,
    CapturedObject,
    FeatureCapture,
    FeatureSchema,
    ModelVersion,
    PipelineCommit,
    bundle_digest,
)
from trilock.server.domain.names import (
    AliasRef,
    BundleRef,
    FeatureSchemaRef,
    ReleaseRef,
    SinkRef,
    alias_name,
    model_name,
)
from trilock.server.domain.release import Cause, LiveRow, Release, ReleaseKind, ReleaseState
from trilock.server.domain.sink import Sink, SinkColumn

MODEL: Final = model_name("delay")
ALIAS: Final = AliasRef(MODEL, alias_name("production"))
NOON: Final = datetime(2013, 6, 1, 12, tzinfo=UTC)
SIGNATURE: Final = '[{"type": "double", "name": "temp", "required": true}]'


def bundle_ref(number: int) -> BundleRef:
    return BundleRef(MODEL, number)


def release_ref(number: int) -> ReleaseRef:
    return ReleaseRef(MODEL, number)


def model_version(version: str = "1", **changes: Any) -> ModelVersion:
    value = ModelVersion(
        name="delay",
        version=version,
        created_ms=1_370_000_000_000 + int(version),
        model_id=f"m-{version}",
        run_id=f"run-{version}",
        location=f"memory:/{version}",
        mlmodel_sha256=f"{int(version):064x}",
        files=(("MLmodel", 100), ("model.pkl", 1000)),
        inputs=SIGNATURE,
        outputs='[{"type": "double", "required": true}]',
        params=None,
        source_commit=None,
        feature_service=None,
    )
    return replace(value, **changes)


def feature_capture(service: str = "delay_v1", proto: bytes = b"proto") -> FeatureCapture:
    return FeatureCapture(
        service=service,
        project="flights",
        revision=None,
        objects=(CapturedObject(kind="feature_service", name=service, proto=proto),),
        definition_digest=proto.hex().ljust(64, "0"),
        feast_version="0.67.0",
        python_version="3.11",
    )


def feature_schema(version: int = 1, service: str = "delay_v1") -> FeatureSchema:
    return FeatureSchema(
        ref=FeatureSchemaRef(service, version),
        capture=feature_capture(service),
        contract_digest="c" * 64,
        semantics_digest="5" * 64,
        docs_digest="d" * 64,
        created=NOON,
        creator="ann",
    )


def pipeline_commit(revision: str = "a" * 40) -> PipelineCommit:
    return PipelineCommit(revision=revision, state_digest="e" * 64, outputs=())


def bundle(number: int = 1, **changes: Any) -> Bundle:
    parts: dict[str, Any] = {
        "model_version": model_version(str(number)),
        "feature_schema": feature_schema(number),
        "pipeline_commit": pipeline_commit(),
        "serving_config": {},
        **changes,
    }
    return Bundle(
        ref=bundle_ref(number),
        digest=bundle_digest(**parts),
        created=NOON,
        creator="ann",
        **parts,
    )


def epoch(number: int) -> int:
    """Return the epoch of release *number*, told apart from the number."""
    return 1000 + number


def live_row(
    *,
    release: int = 1,
    bundle: int = 1,
    target: int | None = None,
    state: ReleaseState = ReleaseState.FINALIZED,
    revision: int = 5,
) -> LiveRow:
    return LiveRow(
        alias=ALIAS,
        release=release_ref(release),
        epoch=epoch(release),
        state=state,
        bundle=bundle_ref(bundle),
        target=None if target is None else release_ref(target),
        revision=revision,
        switched_revision=revision,
        cause=Cause(principal="ann"),
    )


def release(
    number: int = 1,
    *,
    bundle: int = 1,
    target: int | None = None,
    state: ReleaseState = ReleaseState.SUPERSEDED,
) -> Release:
    return Release(
        ref=release_ref(number),
        epoch=epoch(number),
        alias=ALIAS,
        bundle=bundle_ref(bundle),
        kind=ReleaseKind.PROMOTION,
        state=state,
        target=None if target is None else release_ref(target),
        leaves_bundle=None,
        leaves=None,
        feature_project="",
        restores=None,
        revision=1,
        started=NOON,
        ended=None,
        cause=Cause(principal="ann"),
        ended_by=None,
        acknowledged_ms=None,
        acknowledged=0,
    )


def sink(name: str = "predictions", *, keys: tuple[str, ...] = ("flight",)) -> Sink:
    return Sink(
        ref=SinkRef(MODEL, name),
        connection="warehouse",
        table=name,
        keys=keys,
        columns=(SinkColumn(name="flight", type="TEXT", nullable=False),),
        created=NOON,
        creator="ann",
    )
