"""Looks at the world again and again, so that trouble is found by day."""
