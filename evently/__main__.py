"""`python -m evently` is `evently`."""

from evently.cli import main

main()
