"""Galleries of codes, and the neighbours found in them."""
