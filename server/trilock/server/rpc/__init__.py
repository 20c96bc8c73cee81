"""Thin servicers: validate, delegate, translate."""
