"""What is measured of a model on held-out images."""
