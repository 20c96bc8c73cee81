"""What runs on the server's machine: which function is called, and what becomes of its errors."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.command_line import Trilock
from trilock.server.domain.errors import InvalidError, SchemaOutdatedError

Provide = Callable[[str, Callable[..., Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    name: str
    ok: bool
    message: str


@pytest.fixture
def provide(monkeypatch: pytest.MonkeyPatch) -> Provide:
    """Stand in for `trilock.server.commands`, which starts what these tests must not."""
    module = ModuleType("trilock.server.commands")
    monkeypatch.setitem(sys.modules, "trilock.server.commands", module)

    def provide(name: str, function: Callable[..., Any]) -> None:
        setattr(module, name, function)

    return provide


@pytest.mark.parametrize(
    ("arguments", "config"),
    [([], None), (["--config=etc/t.toml"], Path("etc/t.toml"))],
)
def test_serve_exits_as_the_server_does(
    *, arguments: list[str], config: Path | None, provide: Provide, trilock: Trilock
) -> None:
    seen = []

    def serve(config: Path | None) -> int:
        seen.append(config)
        return 7

    provide("serve", serve)

    assert trilock("serve", *arguments).code == 7
    assert seen == [config]


def test_the_settings_may_be_named_by_the_environment(provide: Provide, trilock: Trilock) -> None:
    provide("migrate", lambda config: f"migrated {config}")

    assert trilock("migrate", env={"TRILOCK_CONFIG": "t.toml"}).out == "migrated t.toml\n"


def test_init(provide: Provide, trilock: Trilock) -> None:
    provide("init", lambda folder, *, force: [f"wrote {folder}", f"force {force}"])

    assert trilock("init").out == "wrote .\nforce False\n"
    assert trilock("init", "there", "--force").out == "wrote there\nforce True\n"


def test_backup(provide: Provide, trilock: Trilock) -> None:
    provide("backup", lambda config, target: f"{config} to {target}")

    assert trilock("backup", "copy.db", "--config=t.toml").out == "t.toml to copy.db\n"


def test_doctor_says_all_and_exits_with_3_if_something_is_wrong(
    provide: Provide, trilock: Trilock
) -> None:
    found = [
        Diagnosis(name="database", ok=True, message="sqlite, schema 1"),
        Diagnosis(name="mlflow", ok=False, message="does not answer"),
    ]
    provide("doctor", lambda config: found)

    run = trilock("doctor")
    as_json = trilock("doctor", "-o", "json")

    assert run.code == as_json.code == 3
    assert [line.split() for line in run.out.splitlines()[1:]] == [
        ["✔", "database", "sqlite,", "schema", "1"],
        ["✖", "mlflow", "does", "not", "answer"],
    ]
    assert run.err == "error: 1 of 2 are wrong\n"
    assert as_json.json[1] == {"name": "mlflow", "ok": False, "message": "does not answer"}


def test_doctor_is_content(provide: Provide, trilock: Trilock) -> None:
    provide("doctor", lambda config: [Diagnosis(name="database", ok=True, message="fine")])

    assert trilock("doctor").code == 0


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InvalidError("trilock.toml:\n  listen: wrong"), 2, "trilock.toml:\n  listen: wrong"),
        (SchemaOutdatedError(found="1", wanted="2"), 3, "the database has schema 1"),
    ],
)
def test_errors_of_the_server_get_the_codes_of_the_api(
    *, error: Exception, code: int, message: str, provide: Provide, trilock: Trilock
) -> None:
    def migrate(config: Path | None) -> str:
        raise error

    provide("migrate", migrate)
    run = trilock("migrate")

    assert run.code == code
    assert run.err.startswith(f"error: {message}")


def test_a_light_install_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, provide: Provide, trilock: Trilock
) -> None:
    def serve(config: Path | None) -> int:
        monkeypatch.setitem(sys.modules, "sqlmodel", None)
        import sqlmodel  # noqa: F401, PLC0415 - None in sys.modules makes it missing

        return 0

    provide("serve", serve)
    run = trilock("serve")

    assert run.code == 1
    assert run.err == (
        "error: `trilock serve` needs an extra (sqlmodel is missing): "
        "pip install 'trilock[server]'\n"
    )


def test_a_defect_is_one_line_without_a_traceback(provide: Provide, trilock: Trilock) -> None:
    provide("migrate", lambda config: 1 // 0)

    run = trilock("migrate")

    assert run.code == 1
    assert run.err == (
        "error: ZeroDivisionError: integer division or modulo by zero\n"
        "this is a defect of trilock; TRILOCK_DEBUG=1 shows where\n"
    )


def test_a_defect_may_be_looked_at(provide: Provide, trilock: Trilock) -> None:
    provide("migrate", lambda config: 1 // 0)

    run = trilock("migrate", env={"TRILOCK_DEBUG": "1"})

    assert "Traceback (most recent call last)" in run.err


def test_ctrl_c(provide: Provide, trilock: Trilock) -> None:
    def serve(config: Path | None) -> int:
        raise KeyboardInterrupt

    provide("serve", serve)
    run = trilock("serve")

    assert (run.code, run.err) == (130, "error: interrupted\n")


STORY = """
from pathlib import Path

def main(folder: Path) -> int:
    print(f"told in {folder}")
    return 1
"""


@pytest.fixture
def _no_story_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "examples"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("_no_story_loaded")
def test_the_demo_is_found_above_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trilock: Trilock
) -> None:
    flights = tmp_path / "examples" / "flights"
    deep = tmp_path / "a" / "b"
    flights.mkdir(parents=True)
    deep.mkdir(parents=True)
    (flights / "story.py").write_text(STORY)
    monkeypatch.chdir(deep)

    default, named = trilock("demo"), trilock("demo", "--dir", "elsewhere")

    assert (default.code, default.out) == (1, "told in build/demo\n")
    assert named.out == "told in elsewhere\n"


def test_without_a_checkout_the_demo_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trilock: Trilock
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trilock.cli.commands.demo._PACKAGE", tmp_path)

    run = trilock("demo")

    assert (run.code, run.out) == (2, "")
    assert run.err == (
        "error: the demo needs a checkout of trilock, with examples/flights/story.py: "
        "run it in one\n"
    )
