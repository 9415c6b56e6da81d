"""What each endpoint does, a module for each area, its endpoints declared at the bottom.

Rule: a handler takes a `Call` that was validated and admitted, asks once, and names the answer.
"""
