"""Feast: captures, deploys and fills feature schemas, on raw protos."""
