"""Who calls: admins by bearer token, services by internal key, and how admins come by tokens.

Rule: whatever a client sends to prove who it is meets one module here, and everything but a
proof is 401 or 403; nothing a client can send is an exception that reaches it as a 500.
"""
