"""FeatureService."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from trilock.server.domain.errors import AbortedError
from trilock.server.domain.names import model_name
from trilock.server.domain.ports import ViewState
from trilock.server.rpc.convert.features import (
    feature_project_to_proto,
    retirement_to_proto,
    view_to_proto,
)
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import validating
from trilock.server.usecases.feature_projects import list_feature_projects, materialize_features
from trilock.server.usecases.retire_features import retire_features
from trilock.v1 import feature_service_pb2, feature_service_pb2_grpc

Line = feature_service_pb2.MaterializeFeaturesResponse

_END: Final = Line()


class FeatureService(Service, feature_service_pb2_grpc.FeatureServiceServicer):
    """See feature_service.proto."""

    async def ListFeatureProjects(
        self, request: feature_service_pb2.ListFeatureProjectsRequest, _context: Context
    ) -> feature_service_pb2.ListFeatureProjectsResponse:
        """See feature_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            page = check.page(request)
        found = await self.threads.slow(list_feature_projects, self.runtime, model=model)
        shown, token = page.of(found)
        return feature_service_pb2.ListFeatureProjectsResponse(
            feature_projects=[feature_project_to_proto(project) for project in shown],
            next_page_token=token,
        )

    async def RetireFeatures(
        self, request: feature_service_pb2.RetireFeaturesRequest, _context: Context
    ) -> feature_service_pb2.RetireFeaturesResponse:
        """See feature_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
        found = await self.threads.slow(
            retire_features, self.runtime, model=model, validate_only=request.validate_only
        )
        return feature_service_pb2.RetireFeaturesResponse(
            retirements=[retirement_to_proto(retirement) for retirement in found]
        )

    async def MaterializeFeatures(
        self, request: feature_service_pb2.MaterializeFeaturesRequest, _context: Context
    ) -> AsyncGenerator[Line, None]:
        """See feature_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            window = check.window("window", request.window, required=False)
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[Line] = asyncio.Queue()
        gone = False

        def tell(line: Line) -> None:
            # Called in the thread of the work: the only place where it can be stopped.
            if gone:
                raise AbortedError("the caller went away")
            loop.call_soon_threadsafe(lines.put_nowait, line)

        def progress(project: str, line: str) -> None:
            tell(Line(project=project, progress=line))

        def done(project: str, views: tuple[ViewState, ...]) -> None:
            tell(Line(project=project, views=[view_to_proto(view) for view in views]))

        work = asyncio.ensure_future(
            self.threads.slow(
                materialize_features,
                self.runtime,
                model=model,
                window=window,
                progress=progress,
                done=done,
            )
        )
        work.add_done_callback(lambda _: lines.put_nowait(_END))
        try:
            while (line := await lines.get()) is not _END:
                yield line
            await work
        finally:
            gone = True
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await work
