"""`python -m i2i_cli`: the same as `i2i`."""

from i2i_cli.cli import main

if __name__ == "__main__":
    main()
