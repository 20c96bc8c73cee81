"""CheckService."""

from trilock.compat import Report, baseline_text
from trilock.server.domain.names import (
    AliasRef,
    BundleRef,
    FeatureSchemaRef,
    model_name,
    service_name,
)
from trilock.server.rpc.convert.checks import report_to_proto
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import REGISTRY_VERSION, REVISION, validating
from trilock.server.usecases.check_bundle import check_bundle, check_candidate
from trilock.server.usecases.make_baseline import make_baseline
from trilock.v1 import check_service_pb2, check_service_pb2_grpc


class CheckService(Service, check_service_pb2_grpc.CheckServiceServicer):
    """See check_service.proto."""

    async def Check(
        self, request: check_service_pb2.CheckRequest, _context: Context
    ) -> check_service_pb2.CheckResponse:
        """See check_service.proto."""
        match request.WhichOneof("subject"):
            case "candidate":
                report = await self._check_candidate(request)
            case _:
                report = await self._check_bundle(request)
        return check_service_pb2.CheckResponse(report=report_to_proto(report))

    async def _check_bundle(self, request: check_service_pb2.CheckRequest) -> Report:
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            bundle = check.name("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", bundle, alias=alias)
        return await self.threads.slow(check_bundle, self.runtime, alias=alias, bundle=bundle)

    async def _check_candidate(self, request: check_service_pb2.CheckRequest) -> Report:
        candidate = request.candidate
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            version = check.token(
                "candidate.model_version", candidate.model_version, REGISTRY_VERSION
            )
            schema = check.optional(
                "candidate.feature_schema", candidate.feature_schema, FeatureSchemaRef.parse
            )
            service = check.optional("candidate.service", candidate.service, service_name)
            check.one_of(
                [
                    ("candidate.feature_schema", candidate.feature_schema),
                    ("candidate.service", candidate.service),
                ]
            )
            revision = check.token(
                "candidate.pipeline_revision", candidate.pipeline_revision, REVISION
            )
        return await self.threads.slow(
            check_candidate,
            self.runtime,
            alias=alias,
            model_version=version,
            feature_schema=schema,
            service=service,
            pipeline_revision=revision,
        )

    async def GetBaseline(
        self, request: check_service_pb2.GetBaselineRequest, _context: Context
    ) -> check_service_pb2.GetBaselineResponse:
        """See check_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
        made = await self.threads.slow(make_baseline, self.runtime, model=model)
        return check_service_pb2.GetBaselineResponse(
            content=baseline_text(made.readers),
            left_out=[
                check_service_pb2.LeftOut(alias=str(one.alias), why=one.why)
                for one in made.left_out
            ],
        )
