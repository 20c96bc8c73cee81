"""A recorded feature schema with its contract."""

from collections.abc import Mapping
from typing import Any

from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.names import FeatureSchemaRef
from trilock.server.store.schemas import get_schema
from trilock.server.usecases.capture_feature_schema import describe
from trilock.server.usecases.runtime import Runtime


def describe_feature_schema(
    runtime: Runtime, ref: FeatureSchemaRef
) -> tuple[FeatureSchema, Mapping[str, Any] | None]:
    """Return the schema, and its contract, which is read out of the captured bytes.

    Reading them is pure, so the planes of any model will do; without a model in the
    settings there is no contract.

    Raises:
        NotFoundError: It was never recorded.
    """
    with runtime.database.read() as session:
        schema = get_schema(session, ref)
    models = runtime.connections.models()
    if not models:
        return schema, None
    features = describe(runtime.connections.planes(models[0]), schema.capture)
    contract: Mapping[str, Any] = features.contract_json()
    return schema, contract
