"""The console: one page for organisers, on the public admin API.

Rule: the page has no endpoint of its own beside its files; whatever it does, a program can do.
"""
