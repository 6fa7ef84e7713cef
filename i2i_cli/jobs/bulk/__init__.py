"""Bulk work: on a Ray cluster, and on files anywhere."""
