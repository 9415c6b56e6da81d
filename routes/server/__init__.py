"""Bytes in, bytes out: connections, the two paths a request may take, and what they share.

Rule: nothing here knows what an endpoint does; nothing outside knows how a request arrived.
"""
