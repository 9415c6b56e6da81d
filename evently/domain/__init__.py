"""The rules of events and seats, as plain values and pure functions.

Rule: nothing here does I/O, awaits, reads a clock or imports a third-party package; whoever
knows PostgreSQL or HTTP translates to and from these names.
"""
