"""Who holds a lease: a name for this process, and whether the process of such a name can still be there."""

import os
import secrets
import socket


def new_owner() -> str:
    """Give a name for one engine: host, process id, and something that no other engine of the process has."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def is_gone(owner: str) -> bool:
    """Tell whether a holder has surely died: it was a process of this host, and there is none with its id any more.

    False when unsure; then its lease has to run out. Were it wrong (containers that share a host's name), the other one
    would notice by its epoch that it no longer holds the lease.
    """
    host, _, rest = owner.rpartition("/")[0].rpartition("/")
    if os.name != "posix" or host != socket.gethostname() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
