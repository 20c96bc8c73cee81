"""pipeline show, pipeline checkout and revert-patch, against the real server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.command_line import Trilock
from tests.support.served_world import Served, secret_of, served_world
from tests.support.world import World
from trilock.server.domain.names import AliasRef
from trilock.server.domain.ports import Planes
from trilock.server.planes.pipeline.workspace import FolderWorkspace
from trilock.server.usecases.describe_alias import describe_alias

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with served_world(tmp_path) as running:
        token = tmp_path / "token"
        token.write_text(secret_of("admin"))
        token.chmod(0o600)
        monkeypatch.setenv("TRILOCK_TOKEN_FILE", str(token))
        yield running


@pytest.fixture
def trilock(served: Served) -> Trilock:
    return Trilock(served.address)


def give_workspace(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, *, follows: bool = False
) -> None:
    opened = world.planes("delay")
    workspace = FolderWorkspace(folder, world.pipeline)

    def planes(_model: str) -> Planes:
        return replace(opened, workspace=workspace)

    def follows_workspace(alias: AliasRef) -> bool:
        return follows and alias.alias == "production"

    monkeypatch.setattr(world, "planes", planes)
    monkeypatch.setattr(world, "workspace_of", lambda _model: "production")
    monkeypatch.setattr(world, "follows_workspace", follows_workspace)


def content(folder: Path) -> str:
    return (folder / "current" / "data" / "weather.csv").read_text()


def test_outputs_are_shown_and_what_is_lost(served: Served, trilock: Trilock) -> None:
    world = served.world
    bundle = world.record()
    world.release(bundle)

    good = trilock("pipeline", "show")
    (output,) = bundle.pipeline_commit.outputs
    assert output.digest is not None
    world.pipeline.write_object(output.digest, b"CELSIUS")
    unhashed = trilock("pipeline", "show", "-o", "json")
    hashed = trilock("pipeline", "show", "delay", "--hashing")

    assert (good.code, "data/weather.csv" in good.out) == (0, True)
    assert (unhashed.code, unhashed.json["problems"]) == (0, [])
    assert hashed.code == 3
    assert "'data/weather.csv' is corrupt in the cache" in hashed.out
    assert "1 problem: it could not be restored as it was" in hashed.err


def test_outputs_are_checked_out_on_demand(
    served: Served, trilock: Trilock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, folder = served.world, tmp_path / "outputs"
    world.release(world.record())
    without = trilock("pipeline", "checkout")
    give_workspace(world, folder, monkeypatch)

    done = trilock("pipeline", "checkout")
    other = trilock("pipeline", "checkout", "@canary")
    shown = trilock("pipeline", "show", "-o", "json")

    assert (without.code, "set `workspace` in [models.delay]" in without.err) == (3, True)
    assert done.code == 0
    assert done.out == f"current -> {(folder / 'current').readlink()}\n"
    assert content(folder) == "celsius"
    assert other.code == 2
    assert shown.json["workspace_revision"] == shown.json["revision"]


def test_the_workspace_follows_every_switch(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, folder = served.world, tmp_path / "outputs"
    give_workspace(world, folder, monkeypatch, follows=True)
    world.release(world.record())
    first = content(folder)
    bad = world.record(variant="scaled")
    world.promote(bad)
    world.settle()
    second = content(folder)

    world.roll_back()
    world.settle()

    assert (first, second, content(folder)) == ("celsius", "scaled", "celsius")


def test_a_corrupt_output_holds_up_the_workspace_only(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, folder = served.world, tmp_path / "outputs"
    give_workspace(world, folder, monkeypatch, follows=True)
    good = world.record()
    world.release(good)
    world.promote(world.record(variant="scaled"))
    world.settle()
    (output,) = good.pipeline_commit.outputs
    assert output.digest is not None
    world.pipeline.write_object(output.digest, b"CELSIUS")

    world.roll_back()
    world.settle()

    planes = describe_alias(world.runtime, world.live().alias).planes
    states = {plane.plane: (plane.converged, plane.error) for plane in planes}
    assert world.live().bundle == good.ref
    assert world.alias() == "1"
    assert content(folder) == "scaled"
    assert states["model_alias"] == (True, "")
    assert "'data/weather.csv' is corrupt in the cache" in states["pipeline_workspace"][1]


def test_the_patch_goes_to_stdout_as_it_is(served: Served, trilock: Trilock) -> None:
    world = served.world
    good = world.record()
    world.release(good)
    agreed = trilock("revert-patch")
    bad = world.record(variant="scaled").pipeline_commit.revision
    live = good.pipeline_commit.revision

    made = trilock("revert-patch", "delay")
    unknown = trilock("revert-patch", "--head", "0" * 40)

    assert (agreed.code, agreed.out) == (0, "")
    assert agreed.err == f"{live[:12]} agrees with what is live on delay@production ({live[:12]})\n"
    assert made.out == f"from {bad} to {live}\n"
    assert made.err == f"from {bad[:12]} to {live[:12]}, which is live on delay@production\n"
    assert unknown.code == 2
