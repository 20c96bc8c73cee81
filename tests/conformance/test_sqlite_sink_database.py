"""SQLite keeps the contract."""

from pathlib import Path

import pytest

from tests.conformance.sink_database import SinkDatabaseContract
from tests.conformance.sink_records import SinkRecordsContract
from tests.support.sink_world import SinkWorld, SqliteSinkWorld


class TestSqliteSinkDatabase(SinkDatabaseContract, SinkRecordsContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> SinkWorld:
        return SqliteSinkWorld(tmp_path / "sinks.db")
