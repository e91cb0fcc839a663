"""Down to nothing: once the ring is open, the tap needs no privilege, so it gives all away before it reads one octet.

A packet socket goes on receiving without the capability that opened it. So the tap opens it with NET_RAW, becomes the
owner of the captures folder (SETUID, SETGID), clears every capability set, and makes sure that none can come back
(no_new_privs).
"""

from __future__ import annotations

import ctypes
import os

from lab.capture.errors import TapError

_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38


def become(uid: int, gid: int) -> None:
    """Become this user for good, with empty capability sets, also when the user is root.

    Raises TapError if that is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if (uid, gid) != (os.geteuid(), os.getegid()) or len(os.getgroups()) > 1:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
    except PermissionError as error:
        raise TapError(
            f"the tap may not become user {uid}, the owner of the captures folder: "
            "start it with the capabilities SETUID and SETGID"
        ) from error
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    empty = (ctypes.c_uint32 * 6)()
    if libc.capset(header, empty) != 0:
        raise TapError(
            f"the tap cannot drop its capabilities ({os.strerror(ctypes.get_errno())}): report this with 'uname -r'"
        )


def capabilities() -> dict[str, int]:
    """The capability sets of this process as bit masks, by the kernel's names (CapInh, CapPrm, CapEff, CapBnd,
    CapAmb)."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - one line per field, read once
        return {
            name: int(value, 16) for name, value in (line.split(":", 1) for line in status if line.startswith("Cap"))
        }
