"""How a channel to trilock behaves, blocking or async: options, deadlines, retries, credentials."""

import json
from typing import Final

import grpc

from trilock.client._transport.target import Target

READS: Final = (
    ("AdminService", "GetServerInfo", "ListTokens"),
    ("BundleService", "GetFeatureSchema", "ListFeatureSchemas", "GetBundle", "ListBundles", "Diff"),
    ("CheckService", "Check", "GetBaseline"),
    ("DriftService", "ListDrifts"),
    ("FeatureService", "ListFeatureProjects"),
    ("FleetService", "ListAcknowledgements", "ListWatchers"),
    ("OperationService", "GetOperation", "ListOperations"),
    ("PolicyService", "GetPolicy", "ListPolicies", "ListWaivers"),
    (
        "ReleaseService",
        "PlanPromotion",
        "PlanRollback",
        "GetAlias",
        "ListAliases",
        "GetRelease",
        "GetReleaseAt",
        "ListReleases",
    ),
    ("PipelineService", "GetPipeline", "GetRevertPatch"),
    ("ServingService", "Resolve"),
    ("SinkService", "GetReceipt", "GetSink", "ListSinks"),
)
"""Service and methods that change nothing: repeated by themselves when nobody answers."""

_RUNS_USER_CODE: Final = frozenset(
    {
        "/trilock.v1.BundleService/CaptureFeatureSchema",
        "/trilock.v1.BundleService/RecordBundle",
        "/trilock.v1.CheckService/Check",
        "/trilock.v1.DriftService/Adopt",
        "/trilock.v1.PipelineService/CheckoutPipeline",
        "/trilock.v1.PipelineService/GetPipeline",
        "/trilock.v1.ReleaseService/Advance",
        "/trilock.v1.ReleaseService/PlanPromotion",
        "/trilock.v1.ReleaseService/Promote",
    }
)
"""Calls in which the server runs a feature repository's Python or asks several systems."""

_USER_CODE_S: Final = 600.0

_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # The present state of all aliases comes in one message: 10,000 take about 8 MB.
    ("grpc.max_receive_message_length", 64 << 20),
    # A serving process must find a server that is back within seconds; the
    # defaults wait for up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


def options() -> list[tuple[str, str | int]]:
    """Return the channel options."""
    retry = {
        "name": [
            {"service": f"trilock.v1.{service}", "method": method}
            for service, *methods in READS
            for method in methods
        ],
        "retryPolicy": {
            "maxAttempts": 4,
            "initialBackoff": "0.1s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    throttling = {"maxTokens": 10, "tokenRatio": 0.1}
    config = json.dumps({"methodConfig": [retry], "retryThrottling": throttling})
    return [*_OPTIONS, ("grpc.service_config", config)]


def credentials(target: Target) -> grpc.ChannelCredentials | None:
    """Return what encrypts the channel, or None where it may go in clear."""
    if not target.secure:
        return None
    key, certificate = target.identity or (None, None)
    return grpc.ssl_channel_credentials(target.roots, key, certificate)


def deadline(method: str, *, asked: float | None, default: float) -> float:
    """Return the seconds that a call of *method* may take.

    Args:
        method: `/package.Service/Method`.
        asked: What the caller said, if anything.
        default: The client's own.
    """
    if asked is not None:
        return asked
    return max(default, _USER_CODE_S) if method in _RUNS_USER_CODE else default


def authorization(target: Target) -> tuple[tuple[str, str], ...]:
    """Return the metadata that proves who calls."""
    return () if target.token is None else (("authorization", f"Bearer {target.token}"),)
