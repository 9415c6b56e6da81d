"""The keys that the service makes: whose they are, and what nobody knows of them."""

import os
from unittest.mock import patch

import pytest

from actors import made_keys
from actors.made_keys import MADE, made_key
from evently.domain.errors import OutcomeUnknown
from routes.contract import ids
from routes.contract.errors import Code, failed
from routes.contract.headers import _BARE_KEY, _QUOTED_KEY
from routes.contract.ids import random_id


def test_no_client_can_send_a_key_that_the_service_made() -> None:
    key = made_key()

    assert key.startswith(MADE)
    assert _BARE_KEY.fullmatch(key) is None
    assert _QUOTED_KEY.fullmatch(f'"{key}"') is None


def test_keys_are_of_the_systems_randomness_each_used_once() -> None:
    size = made_keys._POOL_BYTES
    with patch.object(os, "urandom", lambda length: bytes(range(256)) * (length // 256)):
        keys = made_keys._Keys()
        drawn = [keys.draw() for _ in range(size // 16)]

    assert drawn[1] == MADE + bytes(range(16, 32)).hex()
    assert len(set(drawn)) == 16
    with patch.object(os, "urandom", lambda length: b"\xff" * length):
        assert keys.draw() == MADE + "f" * 32


def test_the_ids_of_requests_tell_nothing_of_the_keys() -> None:
    state = ids._random.getstate()
    keys = [made_key() for _ in range(300)]
    assert ids._random.getstate() == state
    ids._random.setstate(state)
    assert random_id() not in {key.removeprefix(MADE) for key in keys}
    assert len(set(keys)) == 300


def test_a_process_that_is_forked_draws_other_keys() -> None:
    made_key()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, made_key().encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(read, 100).decode() != made_key()
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("key", ["booking-7", None])
def test_only_a_caller_with_a_key_is_told_to_send_it_again(key: str | None) -> None:
    error = failed(OutcomeUnknown(key or made_key()), reads=False)

    assert error.code is Code.OUTCOME_UNKNOWN
    assert error.details == ({"request_key": key} if key else {})
    assert ("same key" in error.message) == (key is not None)
