"""The tables, by subject. Rows stay in store/ and operations/; others see domain values.

Times are milliseconds since the epoch, UTC, so that both databases order and
compare them alike. Migrations are the schema's history; a test holds the two
equal. Import rows from here: only then is every table known to SQLModel.
"""

from trilock.server.store.tables.bundles import BlobRow, BundleRow, FeatureSchemaRow
from trilock.server.store.tables.changes import (
    CounterRow,
    EventRow,
    ProgramRow,
    RequestRow,
    StoreRow,
)
from trilock.server.store.tables.fleet import AcknowledgementRow, WatchedRow, WatcherRow
from trilock.server.store.tables.operations import (
    LeaseRow,
    LockRow,
    OperationEventRow,
    OperationRow,
    OperationStepRow,
)
from trilock.server.store.tables.permissions import HoldRow, PolicyRow, TokenRow, WaiverRow
from trilock.server.store.tables.planes import (
    DriftRow,
    FeatureStateRow,
    PlaneStateRow,
    ReadinessRow,
)
from trilock.server.store.tables.releases import FallbackRow, LiveTable, ReleaseRow
from trilock.server.store.tables.sinks import ReleaseSinkRow, SinkRow

__all__ = [
    "AcknowledgementRow",
    "BlobRow",
    "BundleRow",
    "CounterRow",
    "DriftRow",
    "EventRow",
    "FallbackRow",
    "FeatureSchemaRow",
    "FeatureStateRow",
    "HoldRow",
    "LeaseRow",
    "LiveTable",
    "LockRow",
    "OperationEventRow",
    "OperationRow",
    "OperationStepRow",
    "PlaneStateRow",
    "PolicyRow",
    "ProgramRow",
    "ReadinessRow",
    "ReleaseRow",
    "ReleaseSinkRow",
    "RequestRow",
    "SinkRow",
    "StoreRow",
    "TokenRow",
    "WaiverRow",
    "WatchedRow",
    "WatcherRow",
]
