"""SQLite keeps the contract."""

from pathlib import Path

import pytest

from tests.conformance.sink_append_only import SinkAppendOnlyContract
from tests.conformance.sink_database import SinkDatabaseContract
from tests.conformance.sink_live_view import SinkLiveViewContract
from tests.conformance.sink_merge import SinkMergeContract
from tests.conformance.sink_records import SinkRecordsContract
from tests.support.sink_world import SinkWorld, SqliteSinkWorld


class TestSqliteSinkDatabase(
    SinkDatabaseContract,
    SinkMergeContract,
    SinkAppendOnlyContract,
    SinkLiveViewContract,
    SinkRecordsContract,
):
    @pytest.fixture
    def world(self, tmp_path: Path) -> SinkWorld:
        return SqliteSinkWorld(tmp_path / "sinks.db")
