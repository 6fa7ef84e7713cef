"""The weights file: its header, its tensors, its name, its card."""
