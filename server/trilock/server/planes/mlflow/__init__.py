"""MLflow: model versions and aliases."""
