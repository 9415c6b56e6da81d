"""The rules of events and seats, as plain values and pure functions.

Rule: nothing here does I/O, awaits, reads a clock or imports a third-party package;
modules that know PostgreSQL or HTTP translate to and from these names.
"""
