"""What trilock needs of the outside systems: the planes, and the sinks.

Each port has a conformance suite in tests/conformance, which runs against the
real system and against the in-memory fake. All methods block; the caller
bounds the number of threads. Everything that can hang has its own time limit
and raises PlaneUnavailableError when it is over; a write that ended so is
*unknown*, and is settled by looking again.
"""

from trilock.server.domain.ports.connections import Connections, Filling, Freezing, Planes
from trilock.server.domain.ports.feature_store import (
    NO_BOUNDS,
    Comparison,
    Example,
    FeatureStore,
    FillBounds,
    InPlace,
    Progress,
    ViewState,
    Window,
)
from trilock.server.domain.ports.model_registry import ModelRegistry
from trilock.server.domain.ports.pipeline import Patch, Pipeline, Restorability, Workspace
from trilock.server.domain.ports.sink_database import SinkDatabase
from trilock.server.domain.ports.sink_records import SinkRecords

__all__ = [
    "NO_BOUNDS",
    "Comparison",
    "Connections",
    "Example",
    "FeatureStore",
    "FillBounds",
    "Filling",
    "Freezing",
    "InPlace",
    "ModelRegistry",
    "Patch",
    "Pipeline",
    "Planes",
    "Progress",
    "Restorability",
    "SinkDatabase",
    "SinkRecords",
    "ViewState",
    "Window",
    "Workspace",
]
