"""What an operator runs: one module per command of `evently`.

Rule: a command parses its options, chooses settings and database, and leaves the work to the
packages below; a failure is one line that says what to do.
"""
