"""PostgreSQL keeps the contract."""

import pytest

from tests.conformance.sink_append_only import SinkAppendOnlyContract
from tests.conformance.sink_database import SinkDatabaseContract
from tests.conformance.sink_live_view import SinkLiveViewContract
from tests.conformance.sink_merge import SinkMergeContract
from tests.conformance.sink_records import SinkRecordsContract
from tests.support.sink_world import PostgresSinkWorld, SinkWorld

pytestmark = pytest.mark.slow


class TestPostgresSinkDatabase(
    SinkDatabaseContract,
    SinkMergeContract,
    SinkAppendOnlyContract,
    SinkLiveViewContract,
    SinkRecordsContract,
):
    @pytest.fixture
    def world(self, postgres_database: str) -> SinkWorld:
        return PostgresSinkWorld(postgres_database)
