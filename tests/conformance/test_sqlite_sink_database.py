"""SQLite keeps the contract."""

from pathlib import Path

import pytest

from tests.conformance.sink_database import SinkDatabaseContract
from tests.support.sink_world import SinkWorld, SqliteSinkWorld


class TestSqliteSinkDatabase(SinkDatabaseContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> SinkWorld:
        return SqliteSinkWorld(tmp_path / "sinks.db")
