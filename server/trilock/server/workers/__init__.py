"""Threads that look for work, and the leases by which replicas share it."""
