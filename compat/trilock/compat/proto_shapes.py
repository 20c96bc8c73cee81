"""Which field of which Feast proto counts as what (Feast 0.67).

Every field of every message below a registry object is in exactly one class, so
a digest changes exactly when its class of thing changes, and a field that is
not listed here is noticed instead of overlooked. A test compares this table
with the descriptors of the installed Feast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The fields of one message, by what they mean for a consumer of features."""

    contract: frozenset[str] = frozenset()
    """What a consumer sees; it is read by `parse_features`."""
    semantics: frozenset[str] = frozenset()
    """How the values are made, and how they are served."""
    docs: frozenset[str] = frozenset()
    noise: frozenset[str] = frozenset()
    """Times, states, counters, and where it is stored; never counts."""
    messages: Mapping[str, str] = field(default_factory=dict)
    """Fields that hold a message of ours, one or many, and its name."""
    maps: Mapping[str, str] = field(default_factory=dict)
    """Fields that are maps from text to a message of ours."""
    sorted: frozenset[str] = frozenset()
    """Lists whose order means nothing."""

    @property
    def fields(self) -> frozenset[str]:
        """Every field of the message."""
        plain = self.contract | self.semantics | self.docs | self.noise
        return plain | self.messages.keys() | self.maps.keys()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DOCS: Final = _words("description owner tags org")
_TRANSFORMATION: Final = {
    "feature_transformation": "FeatureTransformationV2",
    "user_defined_function": "UserDefinedFunction",
}

SHAPES: Final[Mapping[str, Shape]] = {
    "FeatureView": Shape(noise=_words("meta"), messages={"spec": "FeatureViewSpec"}),
    "StreamFeatureView": Shape(noise=_words("meta"), messages={"spec": "StreamFeatureViewSpec"}),
    "OnDemandFeatureView": Shape(
        noise=_words("meta"), messages={"spec": "OnDemandFeatureViewSpec"}
    ),
    "LabelView": Shape(noise=_words("meta"), messages={"spec": "LabelViewSpec"}),
    "FeatureService": Shape(noise=_words("meta"), messages={"spec": "FeatureServiceSpec"}),
    "Entity": Shape(noise=_words("meta"), messages={"spec": "EntitySpecV2"}),
    "FeatureViewSpec": Shape(
        semantics=_words("name entities ttl online offline mode enable_validation disabled"),
        docs=_DOCS,
        noise=_words("project version"),
        messages={
            "features": "FeatureSpecV2",
            "entity_columns": "FeatureSpecV2",
            "batch_source": "DataSource",
            "stream_source": "DataSource",
            "source_views": "FeatureViewSpec",
            "feature_transformation": "FeatureTransformationV2",
        },
        sorted=_words("features entity_columns"),
    ),
    "StreamFeatureViewSpec": Shape(
        semantics=_words(
            "name entities ttl online mode timestamp_field enable_tiling tiling_hop_size"
            " enable_validation disabled"
        ),
        docs=_DOCS,
        noise=_words("project version"),
        messages={
            "features": "FeatureSpecV2",
            "entity_columns": "FeatureSpecV2",
            "batch_source": "DataSource",
            "stream_source": "DataSource",
            "aggregations": "Aggregation",
            **_TRANSFORMATION,
        },
        sorted=_words("features entity_columns"),
    ),
    "OnDemandFeatureViewSpec": Shape(
        semantics=_words("name mode write_to_online_store entities singleton disabled"),
        docs=_DOCS,
        noise=_words("project version"),
        messages={
            "features": "FeatureSpecV2",
            "entity_columns": "FeatureSpecV2",
            "aggregations": "Aggregation",
            **_TRANSFORMATION,
        },
        maps={"sources": "OnDemandSource"},
        sorted=_words("features entity_columns"),
    ),
    "LabelViewSpec": Shape(
        semantics=_words(
            "name entities ttl online labeler_field conflict_policy retain_history"
            " reference_feature_view"
        ),
        docs=_words("description owner tags"),
        noise=_words("project"),
        messages={
            "features": "FeatureSpecV2",
            "entity_columns": "FeatureSpecV2",
            "source": "DataSource",
        },
        sorted=_words("features entity_columns"),
    ),
    "FeatureServiceSpec": Shape(
        semantics=_words("name precompute_online"),
        docs=_words("description owner tags"),
        noise=_words("project"),
        messages={"features": "FeatureViewProjection", "logging_config": "LoggingConfig"},
        sorted=_words("features"),
    ),
    "EntitySpecV2": Shape(
        semantics=_words("name value_type join_key"),
        docs=_words("description owner tags"),
        noise=_words("project"),
    ),
    "FeatureSpecV2": Shape(
        contract=_words("name value_type vector_index vector_length"),
        semantics=_words("vector_search_metric"),
        # Two tags are types and belong to the contract: feast_types.TYPE_TAGS.
        docs=_words("description tags"),
    ),
    "FeatureViewProjection": Shape(
        contract=_words("feature_view_name_alias"),
        semantics=_words(
            "feature_view_name join_key_map timestamp_field date_partition_column"
            " created_timestamp_column version_tag view_type"
        ),
        messages={
            "feature_columns": "FeatureSpecV2",
            "batch_source": "DataSource",
            "stream_source": "DataSource",
        },
        sorted=_words("feature_columns"),
    ),
    "OnDemandSource": Shape(
        messages={
            "feature_view": "FeatureView",
            "feature_view_projection": "FeatureViewProjection",
            "request_data_source": "DataSource",
        }
    ),
    "DataSource": Shape(
        semantics=_words(
            "name type field_mapping timestamp_field timestamp_field_type date_partition_column"
            " created_timestamp_column data_source_class_type"
        ),
        docs=_words("description tags owner"),
        noise=_words("meta project"),
        messages={
            "batch_source": "DataSource",
            "file_options": "FileOptions",
            "bigquery_options": "TableOptions",
            "kafka_options": "KafkaOptions",
            "kinesis_options": "KinesisOptions",
            "redshift_options": "TableOptions",
            "request_data_options": "RequestDataOptions",
            "custom_options": "CustomSourceOptions",
            "snowflake_options": "TableOptions",
            "push_options": "PushOptions",
            "spark_options": "SparkOptions",
            "trino_options": "TableOptions",
            "athena_options": "TableOptions",
        },
    ),
    "RequestDataOptions": Shape(
        contract=_words("deprecated_schema"),
        messages={"schema": "FeatureSpecV2"},
        sorted=_words("schema"),
    ),
    "FeatureTransformationV2": Shape(
        messages={
            "user_defined_function": "UserDefinedFunction",
            "substrait_transformation": "SubstraitTransformationV2",
        }
    ),
    # The plan is the transformation; the pickled function it was made from is not stable.
    "SubstraitTransformationV2": Shape(
        semantics=_words("substrait_plan"), noise=_words("ibis_function")
    ),
    # Spelled by `transformation_form`; `body` counts only where there is no text.
    "UserDefinedFunction": Shape(semantics=_words("name body_text mode"), noise=_words("body")),
    "Aggregation": Shape(semantics=_words("column function time_window slide_interval name")),
    "FileOptions": Shape(
        semantics=_words("uri s3_endpoint_override"), messages={"file_format": "Opaque"}
    ),
    "TableOptions": Shape(semantics=_words("table query schema database data_source")),
    "KafkaOptions": Shape(
        semantics=_words("kafka_bootstrap_servers topic watermark_delay_threshold"),
        messages={"message_format": "Opaque"},
    ),
    "KinesisOptions": Shape(
        semantics=_words("region stream_name"), messages={"record_format": "Opaque"}
    ),
    "CustomSourceOptions": Shape(semantics=_words("configuration")),
    "PushOptions": Shape(),
    "SparkOptions": Shape(
        semantics=_words("table query path file_format date_partition_column_format"),
        messages={"table_format": "Opaque"},
    ),
    "LoggingConfig": Shape(
        semantics=_words("sample_rate"),
        messages={
            "file_destination": "Opaque",
            "bigquery_destination": "Opaque",
            "redshift_destination": "Opaque",
            "snowflake_destination": "Opaque",
            "custom_destination": "Opaque",
            "athena_destination": "Opaque",
            "couchbase_columnar_destination": "Opaque",
        },
    ),
}

OPAQUE: Final = "Opaque"
"""A message that counts as semantics whole, whatever is in it."""

ROOTS: Final[Mapping[str, str]] = {
    "entity": "Entity",
    "data_source": "DataSource",
    "feature_view": "FeatureView",
    "stream_feature_view": "StreamFeatureView",
    "on_demand_feature_view": "OnDemandFeatureView",
    "label_view": "LabelView",
    "feature_service": "FeatureService",
}
"""The message of each kind of registry object."""

VIEW_KINDS: Final = (
    "feature_view",
    "stream_feature_view",
    "on_demand_feature_view",
    "label_view",
)
