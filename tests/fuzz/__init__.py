"""Fuzzing: recorded frames, damaged in every way we could think of, through all that reads frames.

``python3 -m tests.fuzz`` runs as many as wanted; docs/testing.md says how, and what came of a million. A short run is
part of the tests. What a run has found lies in found/ and is played again by the tests for ever after.
"""
