"""Who calls: admins by bearer token, services by internal key, and how admins get their tokens.

Rule: each kind of credential is read by one module here, and whatever does not prove who calls is
refused: nothing a client can send raises an exception that becomes a 500.
"""
