"""`python -m swarmfield`: the same as the `swarmfield` command."""

from swarmfield.cli import main

if __name__ == "__main__":
    main()
