"""The OpenAPI document, derived from the endpoints' declarations.

Rule: what the document says is what the declarations say; nothing is written twice.
"""
