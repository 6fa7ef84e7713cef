"""Attacks: what is promised, tried against thousands of damaged files, killed processes and full disks.

`python -m tests.attacks` runs them all and prints the table of docs/trust.md; `test_attacks.py` runs a few
dozen of each in the quick suite.
"""
