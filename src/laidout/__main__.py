"""`python -m laidout` is the command `laidout`."""

from laidout.cli import main

if __name__ == "__main__":
    main()
