"""What clients send and are told: bodies, answers, errors, headers and how they are validated.

Rule: it knows the domain and nothing of servers, handlers or stores.
"""
