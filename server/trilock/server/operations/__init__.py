"""Durable runs of plans: journal, lease, runner, converger."""
