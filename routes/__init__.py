"""HTTP and nothing else: what a request must be, whom it goes to, how the answer is written.

Rule: only this package knows a status code. Decisions are the domain's, waits the actors' and
the database's; a handler parses, asks once, and names the answer.
"""
