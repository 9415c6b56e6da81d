"""The Event Service: the composition root, and the domain at its foot.

Rule: nothing is imported here. Importing `evently.domain` runs this file first, so whatever it
imported, every package that knows the domain would import as well.
"""
