"""Settings: what is read, what wins, and that every violation is told with its place."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from trilock.client._resolver.memory import SILENCE_S
from trilock.server.connections import SettingsConnections
from trilock.server.domain.access import Role
from trilock.server.domain.names import AliasRef, alias_name, model_name
from trilock.server.settings import (
    CertificateSettings,
    DatabaseSettings,
    FeastConnection,
    FillSettings,
    GitConnection,
    MlflowConnection,
    ModelSettings,
    ServerSettings,
    ServingSettings,
    Settings,
    SettingsError,
    SinkConnection,
    TokenSettings,
    load_settings,
    redacted,
)

WHOLE = """
[server]
listen = "127.0.0.1:7999"

[database]
url = "sqlite:///data/trilock.db"

[connections.registry]
kind = "mlflow"
uri = "sqlite:///mlflow.db"

[connections.store]
kind = "feast"
feature_store_yaml = "features/feature_store.yaml"

[connections.code]
kind = "git"
repository = "."
cache = "/var/cache/dvc"
remotes = ["../remote"]

[connections.warehouse]
kind = "sink"
url = "postgresql://writer:hunter2@db/sales"

[models.delay]
mlflow = "registry"
feast = "store"
git = "code"
mirror_project = "delay"

[tokens.ci]
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
roles = ["check", "record"]
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TRILOCK_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "trilock.toml"
    file.write_text(text)
    return load_settings(file)


def violations(tmp_path: Path, text: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    return dict(caught.value.violations)


def test_a_whole_file(tmp_path: Path) -> None:
    settings = load(tmp_path, WHOLE)

    assert settings.server.listen == "127.0.0.1:7999"
    assert settings.database.url.get_secret_value() == f"sqlite:///{tmp_path}/data/trilock.db"
    registry, store = settings.connections["registry"], settings.connections["store"]
    code, warehouse = settings.connections["code"], settings.connections["warehouse"]
    assert isinstance(registry, MlflowConnection)
    assert registry.uri.get_secret_value() == f"sqlite:///{tmp_path}/mlflow.db"
    assert isinstance(store, FeastConnection)
    assert store.feature_store_yaml == tmp_path / "features/feature_store.yaml"
    assert isinstance(code, GitConnection)
    assert (code.repository, code.cache) == (tmp_path, Path("/var/cache/dvc"))
    assert code.remotes == (tmp_path / "../remote",)
    assert isinstance(warehouse, SinkConnection)
    model = settings.models["delay"]
    assert (model.registered_model, model.base_project) == ("delay", None)
    assert (model.mirror_project, model.mirror_alias) == ("delay", "production")
    assert settings.tokens["ci"].roles == {Role.CHECK, Role.RECORD}


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, "")

    assert settings.server.listen == "127.0.0.1:7420"
    assert settings.database.url.get_secret_value() == f"sqlite:///{tmp_path}/.trilock/trilock.db"
    assert (settings.serving.poll_seconds, settings.serving.progress_seconds) == (2.0, 15.0)


def test_the_environment_wins_and_the_clients_variables_are_not_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_SERVER", "server.example:7420")
    monkeypatch.setenv("TRILOCK_TOKEN_FILE", "/nowhere")
    monkeypatch.setenv("TRILOCK_SERVER__LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("TRILOCK_CONNECTIONS__CODE__REMOTES", '["/a", "/b"]')

    settings = load(tmp_path, WHOLE)

    assert settings.server.listen == "127.0.0.1:1"
    code = settings.connections["code"]
    assert isinstance(code, GitConnection)
    assert code.remotes == (Path("/a"), Path("/b"))
    assert code.cache == Path("/var/cache/dvc")


def test_the_file_is_the_argument_else_the_variable_else_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, port in (("argument", 1), ("variable", 2), ("trilock", 3)):
        (tmp_path / f"{name}.toml").write_text(f'[server]\nlisten = "localhost:{port}"\n')

    assert load_settings().server.listen == "localhost:3"
    monkeypatch.setenv("TRILOCK_CONFIG", str(tmp_path / "variable.toml"))
    assert load_settings().server.listen == "localhost:2"
    assert load_settings(tmp_path / "argument.toml").server.listen == "localhost:1"


def test_the_environment_alone_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="there is no such file; `trilock init` writes one"):
        load_settings()

    monkeypatch.setenv("TRILOCK_SERVER__LISTEN", "127.0.0.1:5")

    assert load_settings().server.listen == "127.0.0.1:5"


def test_every_violation_is_told_at_once(tmp_path: Path) -> None:
    found = violations(
        tmp_path,
        """
        [server]
        listen = "7420"
        lisen = "x"
        [connections.registry]
        kind = "mlflow"
        [connections.other]
        kind = "wandb"
        [connections.nothing]
        uri = "x"
        [connections.Upper]
        kind = "git"
        repository = "."
        [models.delay]
        mlflow = "registry"
        feast = "registry"
        [models.De]
        [tokens."a b"]
        sha256 = "abc"
        roles = []
        [surprise]
        """,
    )

    assert found == {
        "server.listen": "must be HOST:PORT, with an IPv6 host in brackets",
        "server.lisen": "is not a setting",
        "connections.registry.uri": "is required",
        "connections.other.kind": "must be mlflow, feast, git or sink",
        "connections.nothing.kind": "is required: mlflow, feast, git or sink",
        "connections.Upper": (
            "'Upper' is not a name of a connection: it must match [a-z0-9][a-z0-9_-]{0,62}"
        ),
        "models.delay.git": "is required",
        "models.delay.feast": "there is no connection 'registry' of kind feast; there is: none",
        "models.De": (
            "'De' is not a valid model: it must match [a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
        ),
        "models.De.mlflow": "is required",
        "models.De.feast": "is required",
        "models.De.git": "is required",
        "tokens.a b": (
            "'a b' is not a valid principal: it must match [A-Za-z0-9][A-Za-z0-9._@+-]{0,127}"
        ),
        "tokens.a b.sha256": "String should match pattern '^[0-9a-f]{64}$'",
        "tokens.a b.roles": "Frozenset should have at least 1 item after validation, not 0",
        "surprise": "is not a setting",
    }


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILOCK_SERVING__POLL_SECONDS", "often")

    assert list(violations(tmp_path, "")) == [
        "serving.poll_seconds (TRILOCK_SERVING__POLL_SECONDS)"
    ]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TRILOCK_CONNECTIONS__A__REMOTES": "[1"}, "is not valid JSON"),
        ({"TRILOCK_MODELS__A": "x", "TRILOCK_MODELS__A__GIT": "y"}, "inside another"),
    ],
)
def test_an_environment_that_makes_no_sense(
    variables: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)

    with pytest.raises(SettingsError, match=message):
        load(tmp_path, "")


def test_one_violation_is_one_line_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "[server]\ncolour = 1")

    assert str(caught.value) == f"{tmp_path}/trilock.toml: server.colour: is not a setting"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[server", "is not valid TOML: "), (b'[server]\nlisten = "\xff"', "is not UTF-8")],
)
def test_a_file_that_cannot_be_parsed(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "trilock.toml"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match=message):
        load_settings(file)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no such file|Is a directory"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:7420", "[::]:7420", "10.0.0.7:7420", "server.example:7420"]
)
def test_listening_beyond_loopback_needs_tls(listen: str, tmp_path: Path) -> None:
    assert violations(tmp_path, f'[server]\nlisten = "{listen}"') == {
        "server": f"listen is {listen}, beyond loopback: that needs tls_cert, tls_key "
        "and a token or tls_client_ca"
    }


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.8.8:1", "[::1]:7420", "localhost:7420"])
def test_loopback_needs_nothing(listen: str, tmp_path: Path) -> None:
    assert load(tmp_path, f'[server]\nlisten = "{listen}"').server.loopback


@pytest.mark.parametrize(
    "listen", ["", ":7420", "localhost", "localhost:70000", "::1:7420", "localhost:-1"]
)
def test_an_address_that_is_none(listen: str, tmp_path: Path) -> None:
    assert list(violations(tmp_path, f'[server]\nlisten = "{listen}"')) == ["server.listen"]


def test_half_a_tls(tmp_path: Path) -> None:
    assert violations(tmp_path, '[server]\ntls_cert = "a"') == {
        "server": "tls_cert and tls_key go together"
    }
    assert violations(tmp_path, '[server]\ntls_client_ca = "a"') == {
        "server": "tls_client_ca needs tls_cert and tls_key"
    }


@pytest.mark.parametrize(
    "url", ["", "sqlite:///", "sqlite://", "mysql://h/d", "sqlite:///:memory:"]
)
def test_a_database_that_would_not_keep_the_truth(url: str, tmp_path: Path) -> None:
    assert list(violations(tmp_path, f'[database]\nurl = "{url}"')) == ["database.url"]


def test_the_truth_is_never_a_sink(tmp_path: Path) -> None:
    text = '[connections.own]\nkind = "sink"\nurl = "sqlite:///x/../.trilock/trilock.db"'

    assert violations(tmp_path, text) == {"": "connections.own.url is trilock's own database"}


@pytest.mark.parametrize("folder", ["/etc", "../up", "a/../../b"])
def test_a_feature_folder_outside_the_repository(folder: str, tmp_path: Path) -> None:
    assert "models.delay.feature_folder" in violations(
        tmp_path, WHOLE.replace('git = "code"', f'git = "code"\nfeature_folder = "{folder}"')
    )


def test_no_secret_is_ever_in_the_words(tmp_path: Path) -> None:
    settings = load(tmp_path, WHOLE)
    assert "hunter2" not in f"{settings}{settings!r}"

    with pytest.raises(SettingsError) as caught:
        load(tmp_path, WHOLE.replace("postgresql://", "oracle://"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://writer:hunter2@db/sales", "postgresql://writer:***@db/sales"),
        ("postgresql://writer:a@b@db/sales", "postgresql://writer:***@db/sales"),
        ("https://db/x?a=1&sslpassword=hunter2&b=2", "https://db/x?a=1&sslpassword=***&b=2"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


DOCUMENTED = (
    ServerSettings,
    DatabaseSettings,
    ServingSettings,
    MlflowConnection,
    FeastConnection,
    GitConnection,
    SinkConnection,
    ModelSettings,
    FillSettings,
    TokenSettings,
    CertificateSettings,
)


@pytest.mark.parametrize("section", DOCUMENTED, ids=lambda section: section.__name__)
def test_every_setting_is_documented(section: type[BaseModel]) -> None:
    page = Path(__file__).parents[3] / "docs" / "configuration.md"
    text = page.read_text()

    assert [
        name for name in section.model_fields if f"`{name}`" not in text and name != "kind"
    ] == []


class TestMirrors:
    def second(self, *lines: str, name: str = "fare", feast: str = "store") -> str:
        head = [f"[models.{name}]", 'mlflow = "registry"', f'feast = "{feast}"', 'git = "code"']
        return "\n".join([WHOLE, *head, *lines])

    def test_two_models_have_two(self, tmp_path: Path) -> None:
        assert violations(tmp_path, self.second('mirror_project = "delay"')) == {
            "models.fare.mirror_project": "is the mirror of model 'delay' already"
        }
        load(tmp_path, self.second('mirror_project = "fare"'))

    def test_the_same_name_in_another_feast_is_another_project(self, tmp_path: Path) -> None:
        other = '[connections.other]\nkind = "feast"\nfeature_store_yaml = "o.yaml"\n'
        text = self.second('mirror_project = "delay"', feast="other")

        load(tmp_path, f"{text}\n{other}")

    def test_others_read_it(self, tmp_path: Path) -> None:
        settings = load(tmp_path, self.second('reads_projects = ["delay"]'))

        connections = SettingsConnections(settings)
        production = AliasRef(model_name("delay"), alias_name("production"))
        canary = AliasRef(model_name("delay"), alias_name("canary"))
        assert connections.mirror_readers(production) == ("fare",)
        assert connections.mirror_readers(canary) == ()
        assert connections.mirrors_read("fare") == (production,)
        assert connections.mirrors_read("delay") == connections.mirrors_read("gone") == ()

    @pytest.mark.parametrize("project", ["flights", "nothing"])
    def test_only_a_mirror_can_be_read(self, tmp_path: Path, project: str) -> None:
        text = self.second(f'reads_projects = ["{project}", "delay"]')

        assert violations(tmp_path, text) == {
            "models.fare.reads_projects": (
                f"{project!r} is no other model's mirror_project on the same feast connection"
            )
        }

    def test_ones_own_mirror_is_no_others(self, tmp_path: Path) -> None:
        text = self.second('mirror_project = "fare"', 'reads_projects = ["fare"]')

        assert violations(tmp_path, text) == {
            "models.fare.reads_projects": "'fare' is this model's own mirror"
        }

    def test_it_is_no_models_base_project(self, tmp_path: Path) -> None:
        assert violations(tmp_path, self.second('base_project = "delay"')) == {
            "models.delay.mirror_project": "is a base_project: it would be overwritten"
        }

    @pytest.mark.parametrize("project", ["delay__s3", "delay__s12_0a1b2c"])
    def test_it_is_no_project_that_trilock_makes(self, tmp_path: Path, project: str) -> None:
        text = WHOLE.replace('mirror_project = "delay"', f'mirror_project = "{project}"')

        assert violations(tmp_path, text) == {
            "models.delay.mirror_project": (
                "must not look like a project that trilock makes, NAME__sNUMBER"
            )
        }

    def test_its_alias_is_a_name(self, tmp_path: Path) -> None:
        text = WHOLE.replace('mirror_project = "delay"', 'mirror_alias = "Not A Name"')

        assert list(violations(tmp_path, text)) == ["models.delay.mirror_alias"]


def test_an_idle_watcher_is_told_often_enough_to_trust_the_server(tmp_path: Path) -> None:
    at_most = load(tmp_path, "[serving]\nprogress_seconds = 30").serving.progress_seconds

    assert at_most * 2 <= SILENCE_S
    assert list(violations(tmp_path, "[serving]\nprogress_seconds = 31")) == [
        "serving.progress_seconds"
    ]
