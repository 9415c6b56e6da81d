"""A repeatable benchmark: the service next to a bare HTTP server and the database alone.

`python -m bench` measures, prints a table, and writes figures and plots. It is not shipped, and the
service does not depend on it.
"""
