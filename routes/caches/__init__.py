"""The caches of the HTTP side: lists and venues, and the revision that invalidates them.

Rule: every cache is bounded, loads a key once for all requests that wait for it, and never serves
an entry older than its revision or its maximum age.
"""
