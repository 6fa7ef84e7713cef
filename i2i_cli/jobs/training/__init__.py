"""Train a model, and go on with a run."""
