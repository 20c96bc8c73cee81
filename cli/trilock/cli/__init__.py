"""The `trilock` command."""
