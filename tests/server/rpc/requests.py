"""Requests that tests of several services send."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from typing import Any

from google.protobuf.struct_pb2 import Struct

from tests.support.served_world import Served
from tests.support.values import ALIAS, MODEL
from tests.support.world import WINDOW
from trilock.server.rpc.convert.fields import timestamp
from trilock.v1.bundle_service_pb2 import RecordBundleRequest
from trilock.v1.release_service_pb2 import FeatureWindow, PromoteRequest

PRODUCTION = str(ALIAS)
DAY = FeatureWindow(start_time=timestamp(WINDOW.start), end_time=timestamp(WINDOW.end))


def record(served: Served, **changes: Any) -> Any:
    version, revision = served.world.train()
    config = Struct()
    config.update({"image": "sha256:1", "replicas": 2})
    request = RecordBundleRequest(
        model=MODEL,
        model_version=version,
        service="delay",
        pipeline_revision=revision,
        serving_config=config,
    )
    for name, value in changes.items():
        setattr(request, name, value)
    return served.call("Bundle.RecordBundle", request, principal="record")


def promote(served: Served, bundle: str, **changes: Any) -> Any:
    request = PromoteRequest(alias=PRODUCTION, bundle=bundle, feature_window=DAY, **changes)
    return served.call("Release.Promote", request, principal="promote")
