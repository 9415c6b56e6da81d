"""Concurrency: one actor per event, and the committer that persists what they decide.

Rule: an actor decides synchronously, in order, on committed state; nothing is answered before
PostgreSQL has committed it; nothing here knows HTTP or SQL.
"""
