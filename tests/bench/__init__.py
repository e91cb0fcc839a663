"""The measurements: ``python -m tests.bench`` runs them all; each can be run alone."""
