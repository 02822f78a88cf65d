"""`python -m qlab`: the same as the command `qlab`."""

from qlab.cli import main

if __name__ == "__main__":
    main()
