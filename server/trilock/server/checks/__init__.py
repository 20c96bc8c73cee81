"""What is found when somebody looks: verdicts on bundles, readiness of targets."""
