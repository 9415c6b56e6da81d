"""The Event Service: the composition root and, below everything else, the domain.

Rule: nothing is imported here. Importing `evently.domain` runs this file first, so every package
that uses the domain would import it too.
"""
