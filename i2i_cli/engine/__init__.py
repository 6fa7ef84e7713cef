"""The machine room: the training loop, devices, checkpoints and the journal. It knows no family."""
