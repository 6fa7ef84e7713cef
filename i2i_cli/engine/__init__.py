"""The machine room: the training loop, devices, processes and the journal. It knows no family."""
