"""Moves the ledgers of events that are over to files, and back."""
