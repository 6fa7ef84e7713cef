"""Translate image files, and exchange the domain codes of two."""
