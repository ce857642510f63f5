"""`python -m willcall.cli` is `willcall`."""

from willcall.cli.main import main

if __name__ == "__main__":
    main()
