"""A trigger that lets nobody but trilock define things in the projects that it keeps.

For SQL registries on PostgreSQL, where it is asked for. `feast apply` on a frozen
project fails with who keeps it and why. Materializing writes the same rows and
goes through: the trigger compares definitions, not bytes, by walking the two
messages with the rules of what is no definition. It guards against mistakes, not
against somebody who means to get past it. The order of fields is not compared.
"""

import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.noise import noise_rules, roots
from trilock.server.planes.feast.registry_tables import OBJECTS

_TABLE: Final = "trilock_freeze"
_TRIGGER: Final = "trilock_freeze"

_FUNCTIONS: Final = """
CREATE OR REPLACE FUNCTION trilock_definition(rules jsonb, message text, data bytea)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place int := 0; total int := length(data); parts text[] := '{}';
    tag bigint; size bigint; shift int; part int; start int; rule text; value bytea;
BEGIN
    WHILE place < total LOOP
        tag := 0; shift := 0;
        LOOP
            part := get_byte(data, place); place := place + 1;
            tag := tag | ((part & 127)::bigint << shift); shift := shift + 7;
            EXIT WHEN part < 128;
        END LOOP;
        rule := rules -> message ->> (tag >> 3)::text;
        start := place;
        CASE tag & 7
        WHEN 0 THEN
            LOOP
                part := get_byte(data, place); place := place + 1;
                EXIT WHEN part < 128;
            END LOOP;
        WHEN 1 THEN place := place + 8;
        WHEN 5 THEN place := place + 4;
        WHEN 2 THEN
            size := 0; shift := 0;
            LOOP
                part := get_byte(data, place); place := place + 1;
                size := size | ((part & 127)::bigint << shift); shift := shift + 7;
                EXIT WHEN part < 128;
            END LOOP;
            start := place; place := place + size::int;
        ELSE RAISE EXCEPTION 'not a message of Feast';
        END CASE;
        value := substring(data FROM start + 1 FOR place - start);
        -- Nothing at all, and an empty message, are the same to Feast.
        CONTINUE WHEN length(value) = 0 OR rule = 'drop';
        IF rule LIKE 'drop:%' THEN
            CONTINUE WHEN rule = 'drop:' || encode(value, 'escape');
        END IF;
        IF tag & 7 = 2 AND rule IS NOT NULL AND rule NOT LIKE 'drop%' THEN
            parts := parts || (tag::text || '=' || trilock_definition(rules, rule, value));
        ELSE
            parts := parts || (tag::text || ':' || md5(value));
        END IF;
    END LOOP;
    -- Entries of a map have no order, nor have those that Feast keeps in a set.
    RETURN md5(array_to_string(ARRAY(SELECT unnest(parts) ORDER BY 1), ','));
END $$;

CREATE OR REPLACE FUNCTION trilock_keep() RETURNS trigger LANGUAGE plpgsql
-- Whoever applies may look for tables elsewhere.
SET search_path FROM CURRENT AS $$
DECLARE
    frozen trilock_freeze%ROWTYPE; rules jsonb := '{rules}';
BEGIN
    IF current_setting('trilock.writes', true) = 'on' THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    SELECT * INTO frozen FROM trilock_freeze
        WHERE project = CASE WHEN TG_OP = 'INSERT' THEN NEW.project_id ELSE OLD.project_id END
        LIMIT 1;
    IF NOT FOUND THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.project_id = NEW.project_id THEN
        -- What the row's column is called depends on the kind.
        IF trilock_definition(rules, TG_ARGV[1], (to_jsonb(OLD) ->> TG_ARGV[0])::bytea)
            IS NOT DISTINCT FROM
            trilock_definition(rules, TG_ARGV[1], (to_jsonb(NEW) ->> TG_ARGV[0])::bytea)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'Feast project % is kept by trilock: %', frozen.project, frozen.why
        USING ERRCODE = 'insufficient_privilege',
        HINT = 'Record and promote a bundle to change what is live; `trilock status` says more.';
END $$;
"""


def freeze(connection: Connection, *, owner: str, projects: Mapping[str, str]) -> None:
    """Make the projects that are frozen for *owner* those of *projects*; nobody's end it all.

    Args:
        connection: To the registry, in a transaction.
        owner: Whose they are; others' stay.
        projects: Why each is kept, for whom it stops.

    Raises:
        PreconditionError: A right is missing; each is named.
    """
    if projects:
        _install(connection)
    elif not _installed(connection):
        return
    connection.execute(text(f"DELETE FROM {_TABLE} WHERE owner = :owner"), {"owner": owner})  # noqa: S608 - a constant
    for project, why in sorted(projects.items()):
        connection.execute(
            text(f"INSERT INTO {_TABLE} (owner, project, why) VALUES (:owner, :project, :why)"),  # noqa: S608 - a constant
            {"owner": owner, "project": project, "why": why},
        )
    if connection.execute(text(f"SELECT 1 FROM {_TABLE} LIMIT 1")).first() is None:  # noqa: S608 - a constant
        _remove(connection)


def frozen(connection: Connection, *, owner: str) -> dict[str, str]:
    """Return the projects that are frozen for *owner*, and why."""
    if not _installed(connection):
        return {}
    query = text(f"SELECT project, why FROM {_TABLE} WHERE owner = :owner")  # noqa: S608 - a constant
    return {row.project: row.why for row in connection.execute(query, {"owner": owner})}


def _installed(connection: Connection) -> bool:
    return connection.execute(text(f"SELECT to_regclass('{_TABLE}')")).scalar() is not None


def _install(connection: Connection) -> None:
    _require_rights(connection)
    # Two of us at once would collide in the catalogue.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('trilock freeze', 0))"))
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {_TABLE} (owner text, project text, why text NOT NULL, "
        "PRIMARY KEY (owner, project))"
    )
    rules = json.dumps(noise_rules(), sort_keys=True).replace("'", "''")
    connection.exec_driver_sql(_FUNCTIONS.replace("{rules}", rules).replace("%", "%%"))
    messages = roots()
    for kind, table in OBJECTS.items():
        name = table.table.name
        there = connection.execute(
            text(
                "SELECT 1 FROM pg_trigger WHERE tgname = :trigger AND tgrelid = to_regclass(:name)"
            ),
            {"trigger": _TRIGGER, "name": name},
        ).first()
        if there is None:
            connection.exec_driver_sql(
                f"CREATE TRIGGER {_TRIGGER} BEFORE INSERT OR UPDATE OR DELETE ON {name} "
                f"FOR EACH ROW EXECUTE FUNCTION "
                f"trilock_keep('{table.proto.name}', '{messages[kind]}')"
            )
    # Those who apply must be able to read why they may not.
    connection.exec_driver_sql(f"GRANT SELECT ON {_TABLE} TO PUBLIC")


def _remove(connection: Connection) -> None:
    for table in OBJECTS.values():
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {_TRIGGER} ON {table.table.name}")
    connection.exec_driver_sql("DROP FUNCTION IF EXISTS trilock_keep()")
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_TABLE}")
    connection.exec_driver_sql("DROP FUNCTION IF EXISTS trilock_definition(jsonb, text, bytea)")


def _require_rights(connection: Connection) -> None:
    """Do nothing if the trigger could be installed.

    Raises:
        PreconditionError: It could not; every missing right is named.
    """
    problems = []
    if not connection.execute(
        text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
    ).scalar():
        problems.append("CREATE on the schema of Feast's tables")
    for table in OBJECTS.values():
        name = table.table.name
        if not connection.execute(
            text("SELECT has_table_privilege(:name, 'TRIGGER')"), {"name": name}
        ).scalar():
            problems.append(f"TRIGGER on {name}")
    if problems:
        raise PreconditionError(
            f"projects cannot be frozen: the registry's user lacks {', '.join(problems)}"
        )
