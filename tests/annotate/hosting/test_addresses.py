import socket

import pytest

from annotate.hosting import addresses


def test_names_of_loopback_are_loopback_only() -> None:
    assert addresses.names(host="127.0.0.1") == ["localhost", "127.0.0.1", "[::1]"]


def test_names_of_a_wildcard_are_the_machines_own() -> None:
    found = addresses.names(host="0.0.0.0")
    assert {"localhost", "127.0.0.1", socket.gethostname().lower()} <= set(found)
    assert "*" not in found


def test_names_of_one_address_have_it() -> None:
    assert "192.0.2.7" in addresses.names(host="192.0.2.7")
    assert "[2001:db8::7]" in addresses.names(host="2001:db8::7")


def test_reachable_of_a_wildcard_is_loopback() -> None:
    assert addresses.reachable(host="0.0.0.0") == "127.0.0.1"
    assert addresses.reachable(host="::") == "::1"
    assert addresses.reachable(host="[::1]") == "::1"


def test_require_free_names_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(addresses.PortTaken, match=rf"is taken by another program.*PORT={port + 1}"):
            addresses.require_free(host="127.0.0.1", port=port)
    addresses.require_free(host="127.0.0.1", port=port)
