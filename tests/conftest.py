"""Shared fixtures: each real system is started once, and only when a test asks for it."""

pytest_plugins = [
    "tests.support.git_repo",
    "tests.support.mlflow_server",
    "tests.support.mlflow_world",
    "tests.support.postgres",
]
