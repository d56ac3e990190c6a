"""What this machine is called, for ALLOWED_HOSTS and for the lines that tell people where to go."""

import contextlib
import errno
import socket

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to
_NOWHERE = ("192.0.2.1", "2001:db8::1")
"""Addresses kept for documentation: a datagram socket 'connected' to one shows which address would be used."""


class PortTaken(Exception):
    """Another program listens there; the message says what to do."""


def names(*, host: str) -> list[str]:
    """Host names under which a server bound to `host` is reached: loopback, and for a wildcard the machine's own."""
    if host not in EVERYWHERE:
        return list(dict.fromkeys((*LOOPBACK, in_url(host))))
    machine = socket.gethostname()
    own = [machine, socket.getfqdn(), f"{machine}.local", *_addresses(machine)]
    return list(dict.fromkeys((*LOOPBACK, "0.0.0.0", *(in_url(each.lower()) for each in own if each))))  # noqa: S104


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def reachable(*, host: str) -> str:
    """The host to connect to from here."""
    if host in EVERYWHERE:
        return "::1" if host == "::" else "127.0.0.1"
    return host.strip("[]")


def require_free(*, host: str, port: int) -> None:
    """Raise PortTaken when nobody could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            why = (
                "is taken by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used ({error.strerror})"
            )
            raise PortTaken(f"{in_url(host)}:{port} {why}. Choose another: make run PORT={port + 1}") from error


def _addresses(machine: str) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(OSError):
        found += [str(each[4][0]) for each in socket.getaddrinfo(machine, None, type=socket.SOCK_STREAM)]
    for family, nowhere in zip((socket.AF_INET, socket.AF_INET6), _NOWHERE, strict=True):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((nowhere, 9))
            found.append(str(probe.getsockname()[0]))
    return [address.split("%")[0] for address in found]
