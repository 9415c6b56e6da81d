"""A service that cannot listen says why, and what to do."""

import socket

import pytest

from evently.settings import load_settings
from evently.supervisor import CannotListen, _listen

URL = "postgresql://nowhere/evently"


def listening(host: str, port: int) -> list[socket.socket]:
    environ = {"DATABASE_URL": URL, "HOST": host, "PORT": str(port), "WORKERS": "2"}
    named = {f"EVENTLY_{name}": text for name, text in environ.items()}
    return _listen(load_settings(named, serving=False))


def test_every_worker_has_a_socket_on_one_port() -> None:
    sockets = listening("127.0.0.1", 0)
    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert (len(sockets), len(ports)) == (2, 1)


def test_a_port_that_is_in_use_is_never_shared() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(CannotListen, match=r"in use; stop the process that listens there.*--port"),
    ):
        listening("127.0.0.1", other.getsockname()[1])


def test_an_address_of_another_machine_is_said_to_be_one() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on .*: .*; name an address.*--host"):
        listening("192.0.2.1", 0)
