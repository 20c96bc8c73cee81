"""Serves what trilock says is live over gRPC on asyncio.

    TRILOCK_SERVER=127.0.0.1:7420 ALIAS=delay MLFLOW=http://127.0.0.1:5000 \
        FEATURE_REPOSITORY=feature_repo CACHE=/var/cache/delay python server.py 127.0.0.1:8001

`flights.Delays/Predict` takes and returns a google.protobuf.Struct, so that the example
needs no generated code; yours will have a message of its own.
"""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from trilock.client import AsyncModelSlot, AsyncResolver
from trilock.client.errors import ResolverError
from trilock.client.identity import held
from trilock.client.identity.grpc_aio import GrpcAioIdentity
from trilock.client.loaders import FeastLoader, MlflowLoader


async def predict(request: Struct, context: Any) -> Struct:  # noqa: ANN401 - grpc's is generic
    """Return a prediction for each of `rows`."""
    try:
        served = held()  # what the call began with, whatever is promoted meanwhile
    except ResolverError as error:
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise
    rows = MessageToDict(request)["rows"]
    # Reading and predicting block: not in the event loop.
    found = await asyncio.to_thread(lambda: served.model.predict(served.features.read(rows)))
    answer = Struct()
    answer.update({"predictions": [float(value) for value in found]})
    return answer


async def serve(address: str) -> None:
    """Serve until SIGTERM or ctrl-c."""
    cache = Path(os.environ["CACHE"])
    async with (
        AsyncResolver(aliases=[os.environ["ALIAS"]], cache_dir=cache / "live") as resolver,
        AsyncModelSlot(
            resolver,
            load=MlflowLoader(os.environ["MLFLOW"], folder=cache / "models"),
            features=FeastLoader(os.environ["FEATURE_REPOSITORY"]),
        ) as slot,
    ):
        server = grpc.aio.server(interceptors=[GrpcAioIdentity(slot.current)])
        handler = grpc.unary_unary_rpc_method_handler(
            predict, Struct.FromString, Struct.SerializeToString
        )
        handlers = grpc.method_handlers_generic_handler("flights.Delays", {"Predict": handler})
        server.add_generic_rpc_handlers((handlers,))
        port = server.add_insecure_port(address)
        await server.start()
        print(f"serving on port {port}", flush=True)
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
        await server.stop(grace=5)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
