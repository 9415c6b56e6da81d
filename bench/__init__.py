"""A benchmark that anyone can repeat: the service beside its ceiling and its database's limit.

`python -m bench` measures, prints a table, and writes figures and plots. It is no part of what is
shipped, and the service knows nothing of it.
"""
