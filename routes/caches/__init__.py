"""What the HTTP side keeps in memory: lists, venues, and the revision that makes them stale.

Rule: every cache is bounded, loads each key once for all who wait, and never serves what is older
than its revision or its maximum age.
"""
