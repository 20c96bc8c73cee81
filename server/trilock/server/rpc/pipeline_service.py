"""PipelineService."""

from typing import Final

from trilock.server.domain.names import AliasRef
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import REVISION, validating
from trilock.server.usecases.live_pipeline import checkout_pipeline, describe_pipeline, revert_patch
from trilock.v1 import pipeline_service_pb2, pipeline_service_pb2_grpc

_UNRECORDED: Final = -1


class PipelineService(Service, pipeline_service_pb2_grpc.PipelineServiceServicer):
    """See pipeline_service.proto."""

    async def GetPipeline(
        self, request: pipeline_service_pb2.GetPipelineRequest, _context: Context
    ) -> pipeline_service_pb2.GetPipelineResponse:
        """See pipeline_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
        found = await self.threads.slow(
            describe_pipeline, self.runtime, alias=alias, hashing=request.hashing
        )
        return pipeline_service_pb2.GetPipelineResponse(
            bundle=str(found.bundle.ref),
            revision=found.bundle.pipeline_commit.revision,
            outputs=[
                pipeline_service_pb2.PipelineOutput(
                    path=output.path,
                    digest=output.digest or "",
                    size=_UNRECORDED if output.size is None else output.size,
                    cached=output.cached,
                )
                for output in found.bundle.pipeline_commit.outputs
            ],
            problems=found.found.problems,
            stale=found.stale,
            workspace_revision=found.workspace_revision or "",
        )

    async def CheckoutPipeline(
        self, request: pipeline_service_pb2.CheckoutPipelineRequest, _context: Context
    ) -> pipeline_service_pb2.CheckoutPipelineResponse:
        """See pipeline_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
        done = await self.threads.slow(checkout_pipeline, self.runtime, alias=alias)
        commit = done.bundle.pipeline_commit
        return pipeline_service_pb2.CheckoutPipelineResponse(
            bundle=str(done.bundle.ref),
            revision=commit.revision,
            folder=done.folder,
            outputs=len(commit.outputs),
        )

    async def GetRevertPatch(
        self, request: pipeline_service_pb2.GetRevertPatchRequest, _context: Context
    ) -> pipeline_service_pb2.GetRevertPatchResponse:
        """See pipeline_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            head = check.optional_token("head", request.head, REVISION)
        made = await self.threads.slow(revert_patch, self.runtime, alias=alias, head=head or None)
        return pipeline_service_pb2.GetRevertPatchResponse(
            bundle=str(made.bundle.ref),
            head=made.patch.head,
            revision=made.patch.revision,
            folder=made.folder,
            patch=made.patch.text,
        )
