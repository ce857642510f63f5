"""Who runs a command."""

import os
import pwd

from willcall.orders.history import Actor


def command_line_actor() -> Actor:
    """Return the user of this process, by the system's name: variables such as `USER` may say anything."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    return Actor(f"command line ({name})")
