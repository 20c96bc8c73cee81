"""Write to a sink, so that trilock can take a release's rows out again.

Needs the extra `sinks` for PostgreSQL; SQLite needs nothing.
"""

from trilock.client._resolver.sink import quarantine_of
from trilock.client.errors import WriterFencedError
from trilock.client.sinks.async_writer import AsyncSinkWriter
from trilock.client.sinks.errors import (
    BatchIdReusedError,
    BatchRejectedError,
    SinkNotOpenError,
    SinkUnavailableError,
    SinkWriteError,
)
from trilock.client.sinks.quarantine import quarantined
from trilock.client.sinks.writer import SinkWriter

__all__ = [
    "AsyncSinkWriter",
    "BatchIdReusedError",
    "BatchRejectedError",
    "SinkNotOpenError",
    "SinkUnavailableError",
    "SinkWriteError",
    "SinkWriter",
    "WriterFencedError",
    "quarantine_of",
    "quarantined",
]
