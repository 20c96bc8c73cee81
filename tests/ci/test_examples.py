"""The CI examples and the hook do what they say: their own lines, in a shell, on a real repository.

Only what needs the network is replaced: `pip` is a program that does nothing.
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.feast_repo import ForkWorker, feast_warnings, features_py
from tests.support.served_world import secret_of, served_world
from trilock.compat import baseline_text, parse_baseline, service_readers
from trilock.server.planes.feast import working_tree

ROOT = Path(__file__).parents[2]
GITHUB = yaml.safe_load((ROOT / "examples/ci/github-workflow.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "examples/ci/gitlab-ci.yml").read_text())["check-features"]
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
BROKEN = features_py("celsius").replace('name="label"', 'name="title"')

pytestmark = [pytest.mark.slow, feast_warnings]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a baseline of the unchanged repository."""
    folder = tmp_path_factory.mktemp("baseline")
    write_repository(folder, features_py("celsius"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working_tree, "WorkerProcess", forked)
        read = working_tree.read_repository(folder / "feature_repo", seconds=60)
    return baseline_text(service_readers(read))


def forked(*, timeout: float) -> ForkWorker:
    del timeout
    return ForkWorker()


@pytest.fixture
def checkout(tmp_path: Path, baseline: str) -> Path:
    """Return a checkout with the baseline, and a `pip` beside it."""
    folder = tmp_path / "checkout"
    write_repository(folder, features_py("celsius"))
    (folder / "trilock-baseline.json").write_text(baseline)
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.write_text("#!/bin/sh\nexit 0\n")
    pip.chmod(0o755)
    return folder


def write_repository(folder: Path, text: str) -> None:
    repository = folder / "feature_repo"
    repository.mkdir(parents=True, exist_ok=True)
    (repository / "features.py").write_text(text)
    (repository / "feature_store.yaml").write_text(
        "project: delay\nprovider: local\nregistry: s3://elsewhere/registry.db\n"
        "entity_key_serialization_version: 3\n"
    )


def shell(checkout: Path, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run *script* as a runner does: bash, ending at the first line that fails."""
    programs = (
        checkout.parent / "bin",
        Path(sys.executable).parent,
        Path("/usr/bin"),
        Path("/bin"),
    )
    environment = {
        "PATH": os.pathsep.join(map(str, programs)),
        "HOME": str(checkout.parent),
        "RUNNER_TEMP": str(checkout.parent),
        "GITHUB_STEP_SUMMARY": str(checkout.parent / "summary.md"),
        **variables,
    }
    return subprocess.run(
        ["/usr/bin/env", "bash", "-eo", "pipefail", "-c", script],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def steps() -> dict[str, Any]:
    return {step["name"]: step for step in GITHUB["jobs"]["check"]["steps"] if "run" in step}


def test_the_github_workflow_annotates_a_pull_request_that_breaks_a_reader(checkout: Path) -> None:
    write_repository(checkout, BROKEN)
    variables = GITHUB["jobs"]["check"]["env"]

    installed = shell(checkout, steps()["Install"]["run"], **variables)
    checked = shell(checkout, steps()["Check"]["run"], **variables)

    assert installed.returncode == 0
    assert (checked.returncode, checked.stderr) == (100, "")
    first = checked.stdout.splitlines()[0]
    assert first.startswith("::error file=feature_repo/features.py,line=")
    assert "airports:label" in first
    summary = (checkout.parent / "summary.md").read_text()
    assert "#### feature service places: incompatible" in summary
    assert list((checkout / "feature_repo").glob("**/__pycache__")) == []


def test_the_github_workflow_asks_the_server_before_it_runs_anything(
    checkout: Path, tmp_path: Path
) -> None:
    names = [step.get("name") for step in GITHUB["jobs"]["check"]["steps"]]
    asking = steps()["Ask the server who reads what"]
    file = checkout / "trilock-baseline.json"

    with served_world(tmp_path) as served:
        run = shell(
            checkout,
            asking["run"],
            **GITHUB["jobs"]["check"]["env"],
            TRILOCK_SERVER=served.address,
            TRILOCK_TOKEN=secret_of("check"),
        )

    assert (run.returncode, run.stderr) == (0, "wrote trilock-baseline.json: 0 readers\n")
    assert parse_baseline(file.read_text()) == ()
    assert not (tmp_path / "trilock-token").exists()
    assert names.index("Ask the server who reads what") < names.index("Check")
    assert not [name for name in steps()["Check"].get("env", {}) if "TOKEN" in name]


def test_the_gitlab_job_leaves_a_code_quality_report(checkout: Path) -> None:
    script = "\n".join([*GITLAB["before_script"], *GITLAB["script"]])

    run = shell(checkout, script, **GITLAB["variables"])

    report = checkout / GITLAB["artifacts"]["reports"]["codequality"]
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(report.read_text()) == []


def test_the_hook_refuses_a_commit_that_breaks_a_reader(checkout: Path) -> None:
    write_repository(checkout, BROKEN)

    run = shell(checkout, shlex.join([*shlex.split(HOOK["entry"]), *HOOK["args"]]))

    assert (run.returncode, run.stderr) == (100, "")
    assert "breaks who reads feature service places" in run.stdout
    assert HOOK["pass_filenames"] is False
    assert set(HOOK) >= {"id", "name", "entry", "language"}
