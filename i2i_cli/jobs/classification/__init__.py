"""Classify images by their domain codes, and fit classifiers."""
