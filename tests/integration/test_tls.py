"""A URL that verifies the server's certificate, as the Kubernetes example writes it."""

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from db.connect import SERVER_SETTINGS, connect
from evently.embedded import EmbeddedPostgres
from tests.integration.test_black_hole import name_of
from tests.pgbouncer import certificates, pgbouncer

EXAMPLE = Path("deploy/kubernetes/secret.example.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The certificates."""
    with certificates() as made:
        yield made


@pytest.fixture(scope="module")
def port(postgres: EmbeddedPostgres, folder: Path) -> Iterator[int]:
    """Where a server takes TLS alone."""
    settings = {
        "client_tls_sslmode": "require",
        "client_tls_cert_file": str(folder / "server.crt"),
        "client_tls_key_file": str(folder / "server.key"),
    }
    with pgbouncer(postgres, settings) as listening:
        yield listening


async def answers(url: str) -> bool:
    connection = await connect(url, command_timeout=5.0, server_settings=SERVER_SETTINGS)
    try:
        return await connection.fetchval("SELECT true") is True
    finally:
        await connection.close()


async def test_the_kubernetes_example_connects_as_written(
    port: int, folder: Path, database_url: str
) -> None:
    found = re.search(r"database_url: (\S+)", EXAMPLE)
    assert found is not None
    url = (
        found[1]
        .replace("USER:PASSWORD@HOST:5432", f"postgres@localhost:{port}")
        .replace("/run/secrets/evently/database_ca", str(folder / "ca.crt"))
        .replace("/evently?", f"/{name_of(database_url)}?")
    )
    assert await answers(url)
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await answers(url.replace("localhost", "127.0.0.1"))
    with pytest.raises(asyncpg.PostgresError, match="SSL required"):
        await answers(re.sub(r"\?.*", "?sslmode=disable", url))


async def test_the_machine_s_roots_do_not_vouch_for_an_authority_of_ones_own(
    port: int, database_url: str
) -> None:
    url = f"postgresql://postgres@localhost:{port}/{name_of(database_url)}?sslrootcert=system"
    with pytest.raises(ssl.SSLCertVerificationError):
        await answers(url)
