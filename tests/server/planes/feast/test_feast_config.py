"""How `feature_store.yaml` is read, and what of it is refused."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast.config import (
    FileRegistryConfig,
    OtherOnlineConfig,
    PostgresOnlineConfig,
    SqliteOnlineConfig,
    SqlRegistryConfig,
    read_config,
)
from trilock.server.planes.feast.feature_store import FeastFeatureStore


def write(folder: Path, text: str) -> Path:
    file = folder / "feature_store.yaml"
    file.write_text(text)
    return file


def test_variables_are_expanded_and_secrets_are_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEAST_PASSWORD", "s3cret")
    file = write(
        tmp_path,
        """
        project: delay
        registry:
          registry_type: sql
          path: postgresql://u:${FEAST_PASSWORD}@db:5433/feast
          sqlalchemy_config_kwargs: {connect_args: {password: s3cret}}
        online_store:
          {type: postgres, host: db, database: online, user: u, password: "${FEAST_PASSWORD}"}
        """,
    )

    config = read_config(file)

    assert isinstance(config.registry, SqlRegistryConfig)
    url = config.registry.url.render_as_string(hide_password=False)
    assert url == "postgresql+psycopg://u:s3cret@db:5433/feast"
    assert isinstance(config.online, PostgresOnlineConfig)
    url = config.online.url.render_as_string(hide_password=False)
    assert url == "postgresql+psycopg://u:s3cret@db:5432/online"
    assert config.online.schema == "public"
    assert config.online.connect_options == {"sslmode": "require"}
    assert "s3cret" not in repr(config)


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        project: delay
        registry: {registry_type: sql, path: "sqlite:///registry.db"}
        online_store: {type: sqlite, path: online.db}
        """,
    )

    config = read_config(file)

    assert isinstance(config.registry, SqlRegistryConfig)
    assert config.registry.url.database == str(tmp_path / "registry.db")
    assert config.online == SqliteOnlineConfig(path=tmp_path / "online.db", numbers=False)


def test_what_is_not_said_is_as_in_feast(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = read_config(write(tmp_path, "project: delay"))

    assert config.registry == FileRegistryConfig(path=tmp_path / "data/registry.db")
    assert config.online == SqliteOnlineConfig(path=tmp_path / "data/online.db", numbers=False)
    assert config.registry_cache == timedelta(minutes=10)
    assert "a file registry loses concurrent writes" in caplog.text


@pytest.mark.parametrize(("seconds", "expected"), [(60, timedelta(minutes=1)), (0, None)])
def test_how_long_readers_keep_definitions_is_read(
    tmp_path: Path, seconds: int, expected: timedelta | None
) -> None:
    registry = f"{{registry_type: file, path: r.db, cache_ttl_seconds: {seconds}}}"

    config = read_config(write(tmp_path, f"project: delay\nregistry: {registry}"))

    assert config.registry_cache == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("null", None),
        ("redis", OtherOnlineConfig(type="redis")),
        ("{type: dynamodb}", OtherOnlineConfig(type="dynamodb")),
    ],
)
def test_other_online_stores_are_left_to_feast(
    tmp_path: Path, entry: str, expected: OtherOnlineConfig | None
) -> None:
    assert read_config(write(tmp_path, f"project: p\nonline_store: {entry}")).online == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("registry: {}", "names no project"),
        ("- a", "names no project"),
        ("project: p\nregistry: [a]", "expected a mapping, found list"),
        ("project: p\nregistry: {registry_type: snowflake.registry}", "type 'snowflake.registry'"),
        ("project: p\nregistry: gs://bucket/registry.db", "trilock cannot write"),
        ("project: p\nregistry: {registry_type: sql, path: 'mysql://h/d'}", "mysql"),
        ("project: p\nregistry: {registry_type: sql, path: s3cret}", "no URL"),
        (
            "project: p\nregistry: {enable_online_feature_view_versioning: true}",
            "switch it off",
        ),
        ("project: p\npassword: s3cret\n  x: [", r"is not YAML \(line 3\)"),
    ],
)
def test_what_cannot_work_is_refused_without_quoting_it(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(PreconditionError, match=message) as caught:
        read_config(write(tmp_path, text))

    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"feature_store\.yaml cannot be read"):
        read_config(tmp_path / "feature_store.yaml")


def test_postgresql_without_its_driver_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "project: p\nregistry: {registry_type: sql, path: 'postgresql://h/d'}")
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(PreconditionError, match=r"install trilock\[postgres\]"):
        FeastFeatureStore(file, worker_timeout=1.0)
