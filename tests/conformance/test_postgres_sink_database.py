"""PostgreSQL keeps the contract."""

import pytest

from tests.conformance.sink_database import SinkDatabaseContract
from tests.conformance.sink_records import SinkRecordsContract
from tests.support.sink_world import PostgresSinkWorld, SinkWorld

pytestmark = pytest.mark.slow


class TestPostgresSinkDatabase(SinkDatabaseContract, SinkRecordsContract):
    @pytest.fixture
    def world(self, postgres_database: str) -> SinkWorld:
        return PostgresSinkWorld(postgres_database)
