"""The error that commands raise, and the exit codes."""

#: The command failed.
FAILED = 1
#: Wrong usage or configuration.
USAGE = 2


class CommandError(Exception):
    """A command cannot do what was requested. The message is for the user."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
