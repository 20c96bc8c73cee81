"""`trilock init`: what it writes, for whom, and when it refuses."""

import hashlib
import stat
from pathlib import Path

import pytest

from trilock.server.commands import init
from trilock.server.domain.access import Role
from trilock.server.domain.errors import AlreadyExistsError, PreconditionError
from trilock.server.settings import SettingsError, load_settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_settings_and_the_token_fit(tmp_path: Path) -> None:
    folder = tmp_path / "new"

    told = init(folder, force=False)

    token = (folder / ".trilock/token").read_text()
    settings = load_settings(folder / "trilock.toml")
    assert settings.tokens["local"].sha256 == hashlib.sha256(token.strip().encode()).hexdigest()
    assert settings.tokens["local"].roles == {Role.ADMIN}
    assert settings.server.listen == "127.0.0.1:7420"
    assert settings.database.url.get_secret_value() == f"sqlite:///{folder}/.trilock/trilock.db"
    assert token.strip() not in (folder / "trilock.toml").read_text()
    assert token.strip() not in "".join(told)
    assert told[-1] == "next: `trilock doctor`, then `trilock serve`"


def test_only_the_owner_can_read_what_is_secret_and_git_keeps_none_of_it(tmp_path: Path) -> None:
    init(tmp_path, force=False)

    assert mode(tmp_path / ".trilock/token") == 0o600
    assert mode(tmp_path / "trilock.toml") == 0o600
    assert mode(tmp_path / ".trilock") == 0o700
    assert (tmp_path / ".trilock/.gitignore").read_text() == "*\n"


def test_every_line_of_the_template_is_right_when_it_is_used(tmp_path: Path) -> None:
    init(tmp_path, force=False)
    file = tmp_path / "trilock.toml"
    lines = file.read_text().splitlines()
    first = lines.index("# [serving]")
    used = [
        line.removeprefix("# ") if at >= first and ("=" in line or "[" in line) else line
        for at, line in enumerate(lines)
    ]
    file.write_text("\n".join(used))

    settings = load_settings(file)

    assert sorted(settings.connections) == ["code", "features", "registry", "warehouse"]
    assert settings.models["delay"].mirror_project == "delay"


@pytest.mark.parametrize("there", ["trilock.toml", ".trilock/token"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")

    with pytest.raises(AlreadyExistsError, match="--force replaces it"):
        init(tmp_path, force=False)

    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [Path(there).name]
    assert (tmp_path / there).read_text() == "mine"


def test_force_keeps_the_old_settings_beside_the_new(tmp_path: Path) -> None:
    (tmp_path / "trilock.toml").write_text("mine")

    told = init(tmp_path, force=True)
    first = (tmp_path / ".trilock/token").read_text()
    init(tmp_path, force=True)

    assert told[0] == f"kept the settings that were there as {tmp_path}/trilock.toml.old"
    assert (tmp_path / ".trilock/token").read_text() != first
    assert not list(tmp_path.rglob("*.part"))


def test_settings_that_could_not_be_read_again_are_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILOCK_SERVER__LISTEN", "nonsense")

    with pytest.raises(SettingsError, match=r"server.listen \(TRILOCK_SERVER__LISTEN\)"):
        init(tmp_path, force=False)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(PreconditionError, match="cannot write to"):
        init(tmp_path / "file", force=False)
