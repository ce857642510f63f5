"""`python -m cli` is `willcall`."""

from cli.main import main

if __name__ == "__main__":
    main()
