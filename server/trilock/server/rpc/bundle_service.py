"""BundleService."""

from collections.abc import Sequence
from typing import Final

from trilock.compat import Report
from trilock.server.domain.bundle import Bundle, FeatureSchema
from trilock.server.domain.names import (
    AliasRef,
    BundleRef,
    FeatureSchemaRef,
    ModelName,
    holdable,
    model_name,
    service_name,
)
from trilock.server.rpc.convert.bundles import (
    bundle_to_proto,
    feature_schema_to_proto,
    hold_to_proto,
)
from trilock.server.rpc.convert.checks import difference_to_proto, report_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import REGISTRY_VERSION, REVISION, validating
from trilock.server.store.bundles import get_bundle, get_report, list_bundles
from trilock.server.store.holds import Hold, get_hold
from trilock.server.store.schemas import list_schemas
from trilock.server.usecases.capture_feature_schema import capture_feature_schema
from trilock.server.usecases.derive_bundle import Half, derive_bundle
from trilock.server.usecases.describe_feature_schema import describe_feature_schema
from trilock.server.usecases.diff import diff_bundles, diff_schemas
from trilock.server.usecases.lift_hold import lift_hold
from trilock.server.usecases.place_hold import place_hold
from trilock.server.usecases.record_bundle import record_bundle
from trilock.v1 import bundle_pb2, bundle_service_pb2, bundle_service_pb2_grpc

_SCHEMAS: Final = "featureSchemas/"
_HALVES: Final = {
    bundle_service_pb2.BUNDLE_HALF_MODEL: Half.MODEL,
    bundle_service_pb2.BUNDLE_HALF_FEATURES: Half.FEATURES,
}


class BundleService(Service, bundle_service_pb2_grpc.BundleServiceServicer):
    """See bundle_service.proto."""

    async def CaptureFeatureSchema(
        self, request: bundle_service_pb2.CaptureFeatureSchemaRequest, _context: Context
    ) -> bundle_service_pb2.CaptureFeatureSchemaResponse:
        """See bundle_service.proto."""
        with validating() as check:
            model = check.name("model", request.model, model_name)
            service = check.name("service", request.service, service_name)
            revision = check.optional_token("revision", request.revision, REVISION)
        schema, created = await self.threads.slow(
            capture_feature_schema,
            self.runtime,
            model=model,
            service=service,
            revision=revision or None,
            principal=current_principal().name,
        )
        return bundle_service_pb2.CaptureFeatureSchemaResponse(
            feature_schema=feature_schema_to_proto(schema, objects=True), created=created
        )

    async def GetFeatureSchema(
        self, request: bundle_service_pb2.GetFeatureSchemaRequest, _context: Context
    ) -> bundle_service_pb2.GetFeatureSchemaResponse:
        """See bundle_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, FeatureSchemaRef.parse)
        schema, contract = await self.threads.slow(describe_feature_schema, self.runtime, ref)
        return bundle_service_pb2.GetFeatureSchemaResponse(
            feature_schema=feature_schema_to_proto(schema, contract=contract, objects=True)
        )

    async def ListFeatureSchemas(
        self, request: bundle_service_pb2.ListFeatureSchemasRequest, _context: Context
    ) -> bundle_service_pb2.ListFeatureSchemasResponse:
        """See bundle_service.proto."""
        with validating() as check:
            service = check.optional("service", request.service, service_name)
            page = check.page(request)

        def read() -> list[FeatureSchema]:
            with self.runtime.database.read() as session:
                return list_schemas(session, service=service, offset=page.offset, limit=page.limit)

        shown, token = page.cut(await self.threads.quick(read))
        return bundle_service_pb2.ListFeatureSchemasResponse(
            feature_schemas=[feature_schema_to_proto(schema) for schema in shown],
            next_page_token=token,
        )

    async def RecordBundle(
        self, request: bundle_service_pb2.RecordBundleRequest, _context: Context
    ) -> bundle_service_pb2.RecordBundleResponse:
        """See bundle_service.proto."""
        with validating() as check:
            model = check.name("model", request.model, model_name)
            model_version = check.token("model_version", request.model_version, REGISTRY_VERSION)
            schema = check.optional(
                "feature_schema", request.feature_schema, FeatureSchemaRef.parse
            )
            service = check.optional("service", request.service, service_name)
            check.one_of([("feature_schema", request.feature_schema), ("service", request.service)])
            revision = check.token("pipeline_revision", request.pipeline_revision, REVISION)
            config = check.config("serving_config", request.serving_config)
            request_id = check.request_id(request.request_id)
        recorded = await self.threads.slow(
            record_bundle,
            self.runtime,
            model=model,
            model_version=model_version,
            feature_schema=schema,
            service=service,
            pipeline_revision=revision,
            serving_config=config,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        if recorded.bundle is None:
            unnamed = bundle_pb2.Bundle(
                serving_config=request.serving_config, report=report_to_proto(recorded.report)
            )
            return bundle_service_pb2.RecordBundleResponse(bundle=unnamed, created=False)
        hold = await self.threads.quick(self._hold, recorded.bundle.ref)
        return bundle_service_pb2.RecordBundleResponse(
            bundle=bundle_to_proto(recorded.bundle, report=recorded.report, hold=hold),
            created=recorded.created,
        )

    async def DeriveBundle(
        self, request: bundle_service_pb2.DeriveBundleRequest, _context: Context
    ) -> bundle_service_pb2.DeriveBundleResponse:
        """See bundle_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            ref = check.name("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", ref, alias=alias)
            half = _HALVES.get(request.only) or check.wrong("only", "must be model or features")
        derived, created = await self.threads.slow(
            derive_bundle,
            self.runtime,
            alias=alias,
            bundle=ref,
            only=half,
            principal=current_principal().name,
        )
        return bundle_service_pb2.DeriveBundleResponse(
            bundle=await self.threads.quick(self._bundle, derived.ref), created=created
        )

    async def GetBundle(
        self, request: bundle_service_pb2.GetBundleRequest, _context: Context
    ) -> bundle_service_pb2.GetBundleResponse:
        """See bundle_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, BundleRef.parse)
        return bundle_service_pb2.GetBundleResponse(
            bundle=await self.threads.quick(self._bundle, ref)
        )

    async def ListBundles(
        self, request: bundle_service_pb2.ListBundlesRequest, _context: Context
    ) -> bundle_service_pb2.ListBundlesResponse:
        """See bundle_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            page = check.page(request)
        found = await self.threads.quick(self._bundles, model, page.offset, page.limit)
        shown, token = page.cut(found)
        return bundle_service_pb2.ListBundlesResponse(bundles=shown, next_page_token=token)

    async def PlaceHold(
        self, request: bundle_service_pb2.PlaceHoldRequest, _context: Context
    ) -> bundle_service_pb2.PlaceHoldResponse:
        """See bundle_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, holdable)
            reason = check.text("reason", request.reason, required=True)
            expires = check.optional_time("expire_time", request)
        placed = await self.threads.quick(
            place_hold,
            self.runtime,
            resource=ref,
            reason=reason,
            expires=expires,
            principal=current_principal().name,
        )
        return bundle_service_pb2.PlaceHoldResponse(hold=hold_to_proto(placed))

    async def Diff(
        self, request: bundle_service_pb2.DiffRequest, _context: Context
    ) -> bundle_service_pb2.DiffResponse:
        """See bundle_service.proto."""
        if request.before.startswith(_SCHEMAS):
            with validating() as check:
                schema = check.name("before", request.before, FeatureSchemaRef.parse)
                other = check.name("after", request.after, FeatureSchemaRef.parse)
            found = await self.threads.slow(diff_schemas, self.runtime, before=schema, after=other)
        else:
            with validating() as check:
                old = check.name("before", request.before, BundleRef.parse)
                new = check.name("after", request.after, BundleRef.parse)
            found = await self.threads.slow(diff_bundles, self.runtime, before=old, after=new)
        return bundle_service_pb2.DiffResponse(
            differences=[difference_to_proto(one) for one in found]
        )

    async def LiftHold(
        self, request: bundle_service_pb2.LiftHoldRequest, _context: Context
    ) -> bundle_service_pb2.LiftHoldResponse:
        """See bundle_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, holdable)
            reason = check.text("reason", request.reason, required=True)
        await self.threads.quick(
            lift_hold,
            self.runtime,
            resource=ref,
            reason=reason,
            principal=current_principal().name,
        )
        if not isinstance(ref, BundleRef):
            return bundle_service_pb2.LiftHoldResponse()
        return bundle_service_pb2.LiftHoldResponse(
            bundle=await self.threads.quick(self._bundle, ref)
        )

    def _bundle(self, ref: BundleRef) -> bundle_pb2.Bundle:
        with self.runtime.database.read() as session:
            bundle = get_bundle(session, ref)
            report = Report.from_json(get_report(session, ref))
            hold = get_hold(session, ref)
        return bundle_to_proto(bundle, report=report, hold=hold)

    def _hold(self, ref: BundleRef) -> Hold | None:
        with self.runtime.database.read() as session:
            return get_hold(session, ref)

    def _bundles(
        self, model: ModelName | None, offset: int, limit: int
    ) -> Sequence[bundle_pb2.Bundle]:
        with self.runtime.database.read() as session:
            found: Sequence[Bundle] = list_bundles(session, model=model, offset=offset, limit=limit)
            return [
                bundle_to_proto(
                    bundle,
                    report=Report.from_json(get_report(session, bundle.ref)),
                    hold=get_hold(session, bundle.ref),
                )
                for bundle in found
            ]
