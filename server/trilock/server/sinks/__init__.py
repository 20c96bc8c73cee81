"""Staging tables: where a release's writes wait until it is finalized."""
