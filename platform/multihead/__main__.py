"""`python -m multihead` is the same as the command `multihead`."""

from multihead.cli.main import main

if __name__ == "__main__":
    main()
