"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001_initial"
down_revision = None

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "bundle",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("model_version", _JSON, nullable=False),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("pipeline_commit", _JSON, nullable=False),
        sa.Column("serving_config", _JSON, nullable=False),
        sa.Column("report", _JSON, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("creator", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("model", "number"),
        sa.UniqueConstraint("model", "digest"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "event",
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("payload", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("revision"),
    )
    op.create_index("ix_event_model", "event", ["model"])
    op.create_table(
        "fallback",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("bundle", sa.Integer(), nullable=False),
        sa.Column("cause", _JSON, nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("problems", _JSON, nullable=False),
        sa.Column("checked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias"),
    )
    op.create_table(
        "feature_schema",
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source_project", sa.String(255), nullable=False),
        sa.Column("source_revision", sa.String(40), nullable=True),
        sa.Column("contract_digest", sa.String(64), nullable=False),
        sa.Column("semantics_digest", sa.String(64), nullable=False),
        sa.Column("docs_digest", sa.String(64), nullable=False),
        sa.Column("definition_digest", sa.String(64), nullable=False),
        sa.Column("objects", _JSON, nullable=False),
        sa.Column("feast_version", sa.String(32), nullable=False),
        sa.Column("python_version", sa.String(16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("creator", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("service", "version"),
    )
    op.create_index("ix_feature_schema_definition_digest", "feature_schema", ["definition_digest"])
    op.create_table(
        "hold",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("principal", sa.String(128), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("model", "alias", "number"),
    )
    op.create_table(
        "drift",
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("plane", sa.String(64), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("wanted", sa.String(), nullable=False),
        sa.Column("found", sa.String(), nullable=False),
        sa.Column("changes", _JSON, nullable=False),
        sa.Column("held", sa.Integer(), nullable=True),
        sa.Column("reasserted", sa.Boolean(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("revision"),
    )
    op.create_index("ix_drift_alias", "drift", ["model", "alias", "ended_ms"])
    op.create_table(
        "lease",
        sa.Column("scope", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_table(
        "live",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("bundle", sa.Integer(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("switched_revision", sa.BigInteger(), nullable=False),
        sa.Column("switched_ms", sa.BigInteger(), nullable=False),
        sa.Column("converged_revision", sa.BigInteger(), nullable=False),
        sa.Column("canary", sa.Integer(), nullable=True),
        sa.Column("canary_percent", sa.Integer(), nullable=False),
        sa.Column("shadow", sa.Integer(), nullable=True),
        sa.Column("demand", sa.BigInteger(), nullable=False),
        sa.Column("cause", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("model", "alias"),
    )
    op.create_table(
        "operation",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.Column("plan", _JSON, nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("scopes", _JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("pivot_revision", sa.BigInteger(), nullable=True),
        sa.Column("cause", _JSON, nullable=False),
        sa.Column("error_reason", sa.String(64), nullable=False),
        sa.Column("error_message", sa.String(), nullable=False),
        sa.Column("abort_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state in ('RUNNING','COMPENSATING','CONVERGING',"
            "'SUCCEEDED','COMPENSATED','SUPERSEDED')",
            name="ck_operation_state",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_operation_model", "operation", ["model"])
    op.create_index("ix_operation_state", "operation", ["state"])
    op.create_table(
        "plane_state",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("plane", sa.String(64), nullable=False),
        sa.Column("converged_revision", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.String(), nullable=False),
        sa.Column("found", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("failing_ms", sa.BigInteger(), nullable=True),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias", "plane"),
    )
    op.create_table(
        "policy",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("policy", _JSON, nullable=False),
        sa.Column("set_ms", sa.BigInteger(), nullable=False),
        sa.Column("cause", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("model", "alias", "revision"),
    )
    op.create_table(
        "feature_state",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("fed_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("cold", _JSON, nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("checked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias", "release"),
    )
    op.create_table(
        "readiness",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("problems", _JSON, nullable=False),
        sa.Column("checked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias"),
    )
    op.create_table(
        "release",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("bundle", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("target", sa.Integer(), nullable=True),
        sa.Column("leaves", sa.Integer(), nullable=True),
        sa.Column("feature_project", sa.String(255), nullable=False),
        sa.Column("leaves_bundle", sa.Integer(), nullable=True),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("cause", _JSON, nullable=False),
        sa.Column("trial", sa.Boolean(), nullable=False),
        sa.Column("acknowledged_ms", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged", sa.Integer(), nullable=False),
        sa.Column("ended_by", _JSON, nullable=True),
        sa.Column("pauses", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("model", "number"),
    )
    op.create_index("ix_release_alias", "release", ["model", "alias", "number"])
    op.create_table(
        "release_sink",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sink", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("purged_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("model", "number", "sink"),
    )
    op.create_table(
        "request",
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_table(
        "sink",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("sink", sa.String(40), nullable=False),
        sa.Column("connection", sa.String(128), nullable=False),
        sa.Column("table", sa.String(255), nullable=False),
        sa.Column("keys", _JSON, nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("live_view", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("creator", sa.String(128), nullable=False),
        sa.Column("altered_ms", sa.BigInteger(), nullable=True),
        sa.Column("alterer", sa.String(128), nullable=True),
        sa.PrimaryKeyConstraint("model", "sink"),
    )
    op.create_table(
        "store",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("restored", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    programs = op.create_table(
        "program",
        sa.Column("schema", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("schema"),
    )
    op.bulk_insert(programs, [{"schema": revision}])
    op.create_table(
        "token",
        sa.Column("principal", sa.String(128), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("roles", _JSON, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("creator", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("principal"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_table(
        "waiver",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("rule", sa.String(16), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("expires", sa.String(10), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("creator", sa.String(128), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("model", "number"),
    )
    op.create_table(
        "lock",
        sa.Column("scope", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"]),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_index("ix_lock_operation", "lock", ["operation"])
    op.create_table(
        "operation_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("detail", _JSON, nullable=True),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_operation_event_operation", "operation_event", ["operation"])
    op.create_table(
        "operation_step",
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("before", _JSON, nullable=True),
        sa.Column("result", _JSON, nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("progress", sa.String(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state in ('PENDING','STARTED','DONE','UNDONE')", name="ck_operation_step_state"
        ),
        sa.ForeignKeyConstraint(["operation"], ["operation.id"]),
        sa.PrimaryKeyConstraint("operation", "position"),
    )
    op.create_table(
        "watcher",
        sa.Column("watcher", sa.String(128), nullable=False),
        sa.Column("principal", sa.String(128), nullable=False),
        sa.Column("joined_ms", sa.BigInteger(), nullable=False),
        sa.Column("reported_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("watcher"),
    )
    op.create_index("ix_watcher_expires_ms", "watcher", ["expires_ms"])
    op.create_table(
        "watched",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("watcher", sa.String(128), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_ms", sa.BigInteger(), nullable=True),
        sa.Column("refused_revision", sa.BigInteger(), nullable=False),
        sa.Column("refusal", sa.String(), nullable=False),
        sa.Column("standby_warm", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["watcher"], ["watcher.watcher"]),
        sa.PrimaryKeyConstraint("model", "alias", "watcher"),
    )
    op.create_index("ix_watched_watcher", "watched", ["watcher"])
    op.create_table(
        "acknowledgement",
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("watcher", sa.String(128), nullable=False),
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("alias", sa.String(63), nullable=False),
        sa.Column("principal", sa.String(128), nullable=False),
        sa.Column("refusal", sa.String(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision", "generation", "watcher"),
    )
    op.create_index("ix_acknowledgement_at_ms", "acknowledgement", ["at_ms"])


def downgrade() -> None:
    op.drop_table("acknowledgement")
    op.drop_table("watched")
    op.drop_table("watcher")
    op.drop_table("operation_step")
    op.drop_table("operation_event")
    op.drop_table("lock")
    op.drop_table("waiver")
    op.drop_table("token")
    op.drop_table("program")
    op.drop_table("store")
    op.drop_table("sink")
    op.drop_table("request")
    op.drop_table("release_sink")
    op.drop_table("release")
    op.drop_table("readiness")
    op.drop_table("feature_state")
    op.drop_table("policy")
    op.drop_table("plane_state")
    op.drop_table("operation")
    op.drop_table("live")
    op.drop_table("lease")
    op.drop_table("drift")
    op.drop_table("hold")
    op.drop_table("feature_schema")
    op.drop_table("fallback")
    op.drop_table("event")
    op.drop_table("counter")
    op.drop_table("bundle")
    op.drop_table("blob")
