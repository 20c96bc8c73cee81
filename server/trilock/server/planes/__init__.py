"""Adapters of the outside systems that must agree with the live bundle."""
