"""The papers' figures of codes (SRAE figures 6 and 8), and the curves of a run."""
