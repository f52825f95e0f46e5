"""Stands between the starter and PostgreSQL: takes on an identity, ties its life to the starter, becomes the program.

Run as a script (``python -I -S launch.py …``), never imported by the package for its functions. A ``preexec_fn`` could
do the same, but it runs Python in a fork of a process that may have threads, which can deadlock and warns since
Python 3.12; here the fork is followed by an exec at once. It must start with the standard library alone.

    launch.py exec STARTER SIGNAL KIND UID GID FOLDER PROGRAM [ARGUMENT…]
    launch.py guard PID PIDFILE

``exec``: KIND is ``same``, ``namespace`` (UID and GID as seen inside) or ``user``. With SIGNAL above 0 the program
receives it when the *thread* that forked it ends (prctl(2), PR_SET_PDEATHSIG). ``guard``, for starts from other threads
and for systems without that call: waits for the end of standard input, which the starter holds, and ends PID.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Exit codes for the step that failed; chosen below 126 so that no shell's own meaning is hit.
NO_NAMESPACE, NO_USER, NO_FOLDER, NO_PROGRAM, STARTER_GONE = 120, 121, 122, 123, 124

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


class _StepFailed(Exception):
    def __init__(self, code: int, error: OSError) -> None:
        super().__init__(str(error))
        self.code = code


def _libc() -> Callable[..., None]:
    """Load what calls the C library. To be done as the starter's own user: another may not reach Python's files."""
    import ctypes  # noqa: PLC0415  # neither needed nor always present on other systems than Linux

    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: int) -> None:
        if getattr(libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)

    return call


def _enter_namespace(call: Callable[..., None], uid: int, gid: int) -> None:
    """Show the outer user as ``uid`` to what runs inside; files keep their outer owner (user_namespaces(7))."""
    outer_uid, outer_gid = os.getuid(), os.getgid()
    call("unshare", _CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{gid} {outer_gid} 1")):
        Path("/proc/self", name).write_text(text)


def _unavailable(name: str, *_: int) -> None:
    raise OSError(0, "only on Linux", name)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _step(code: int, action: Callable[..., object], *arguments: object) -> None:
    try:
        action(*arguments)
    except OSError as error:
        raise _StepFailed(code, error) from error


def launch(arguments: list[str]) -> None:
    """Take the steps of ``exec`` in the one order that works: a change of user clears the parent-death signal."""
    starter, death_signal, kind, uid, gid, folder, program = arguments[:7]
    call = _libc() if sys.platform == "linux" else _unavailable
    os.umask(0o077)
    if kind == "namespace":
        _step(NO_NAMESPACE, _enter_namespace, call, int(uid), int(gid))
    elif kind == "user":
        _step(NO_USER, _become, int(uid), int(gid))
    _step(NO_FOLDER, os.chdir, folder)
    if int(death_signal) > 0:
        call("prctl", _PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != int(starter):  # it died before the call above: no signal will come
            sys.exit(STARTER_GONE)
    _step(NO_PROGRAM, os.execv, program, [program, *arguments[7:]])


def guard(pid: int, pidfile: Path) -> None:
    """End the server when standard input ends, which is when the starter is gone.

    ``pidfile`` is PostgreSQL's own: it must still name ``pid``, lest a stranger be hit who got the number since.
    """

    def send(number: int) -> bool:
        try:
            if int(pidfile.read_text().split(maxsplit=1)[0]) != pid:
                return False
            os.kill(pid, number)
        except (OSError, ValueError, IndexError):
            return False
        return True

    sys.stdin.buffer.read()
    if send(signal.SIGQUIT):
        for _ in range(60):  # PostgreSQL itself kills its children after 5 s of an immediate shutdown
            time.sleep(0.1)
            if not send(0):
                return
        send(signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "guard":
        guard(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        try:
            launch(sys.argv[2:])
        except _StepFailed as failure:
            sys.stderr.write(f"{failure}\n")
            sys.exit(failure.code)
