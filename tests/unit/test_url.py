"""What a database URL may say: taken, or refused by the name of the parameter."""

from pathlib import Path

import pytest

from db.url import HOSTS_MAX, check_url, hosts_and_name, read_url


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p@one:5432/evently?sslmode=require",
        "postgresql://u@/evently?host=/run/postgresql",
        "postgresql:///evently",
        "postgresql://u:p%2Cq@one/evently",
    ],
)
def test_a_url_of_one_host_stays_as_it_is(dsn: str) -> None:
    assert read_url(dsn).hosts == (dsn,)


def test_hosts_before_the_path_share_all_the_rest() -> None:
    assert read_url(
        "postgresql://u:p%40@one:5432,[::1]:5433,two/evently?sslmode=require"
    ).hosts == (
        "postgresql://u:p%40@one:5432/evently?sslmode=require",
        "postgresql://u:p%40@[::1]:5433/evently?sslmode=require",
        "postgresql://u:p%40@two/evently?sslmode=require",
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:secret@one:5432,[::1]:5433/evently", "one:5432,[::1]:5433/evently"),
        ("postgresql://u:secret@one/evently?sslpassword=secret", "one/evently"),
        ("postgresql://u@/evently?host=one,/run&password=secret", "one,/run/evently"),
        ("postgresql:///evently", "/evently"),
    ],
)
def test_a_url_is_told_without_its_secrets(url: str, told: str) -> None:
    assert hosts_and_name(url) == told


def test_hosts_in_the_query_have_a_port_each_or_one_for_all() -> None:
    assert read_url("postgresql://u@/evently?host=one,two&port=1,2").hosts == (
        "postgresql://u@/evently?host=one&port=1",
        "postgresql://u@/evently?host=two&port=2",
    )
    assert read_url("postgresql://u@/evently?host=/a,/b&port=1").hosts == (
        "postgresql://u@/evently?host=%2Fa&port=1",
        "postgresql://u@/evently?host=%2Fb&port=1",
    )


def test_a_url_names_so_many_hosts_and_no_more() -> None:
    hosts = [f"h{number}" for number in range(HOSTS_MAX)]

    assert len(read_url(f"postgresql://u@{','.join(hosts)}/evently").hosts) == HOSTS_MAX
    with pytest.raises(ValueError, match="names 17 hosts; 16 are the most"):
        read_url(f"postgresql://u@{','.join(hosts)},more/evently")


def test_hosts_and_ports_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="names 3 hosts and 2 ports"):
        read_url("postgresql://u@/evently?host=one,two,three&port=1,2")


def test_what_libpq_knows_is_taken() -> None:
    read = read_url(
        "postgresql://u@one/evently?connect_timeout=10&target_session_attrs=read-write"
        "&keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3"
        "&tcp_user_timeout=9000&channel_binding=prefer&gssencmode=disable&client_encoding=UTF8"
        "&sslmode=require&options=-c%20geqo%3Doff"
    )
    assert read.hosts == ("postgresql://u@one/evently?sslmode=require&options=-c+geqo%3Doff",)
    assert read.connect_timeout_s == 10
    assert read.target_session_attrs == "read-write"
    assert read.server_settings == {
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "9000",
    }
    assert not read.system_roots


def test_the_machine_s_own_roots_are_taken() -> None:
    read = read_url("postgresql://u@one/evently?sslmode=verify-full&sslrootcert=system")
    assert read.system_roots
    assert read.hosts == ("postgresql://u@one/evently",)
    with pytest.raises(ValueError, match="needs sslmode=verify-full"):
        read_url("postgresql://u@one/evently?sslmode=require&sslrootcert=system")


@pytest.mark.parametrize("seconds", ["1", "10"])
def test_a_host_may_be_given_so_long(seconds: str) -> None:
    read = read_url(f"postgresql://one/evently?connect_timeout={seconds}")
    assert read.connect_timeout_s == float(seconds)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("connect_timeout=0", "connect_timeout=0, which must be a whole number from 1 to 10"),
        ("connect_timeout=11", "connect_timeout=11, which must be a whole number from 1 to 10"),
        ("connect_timeout=2s", "connect_timeout=2s"),
        ("keepalives=0", "keepalives=0, which must be 1"),
        ("keepalives_idle=", "keepalives_idle="),
        ("channel_binding=require", "channel_binding=require.*verify-full"),
        ("gssencmode=require", "gssencmode=require.*use sslmode"),
        ("client_encoding=LATIN1", "client_encoding=LATIN1"),
        ("target_session_attrs=prefer-standby", "target_session_attrs=prefer-standby"),
        ("sslmode=on", "sslmode=on, which must be disable or allow"),
        ("application_name=mine", "has application_name.*named evently"),
        ("service=mine", "has service.*write the URL out"),
        ("statement_timeout=1", "has statement_timeout.*options="),
        ("load_balance_hosts=random", "load_balance_hosts=random"),
        ("sslmode", "query that is not name=value"),
    ],
)
def test_what_is_not_taken_is_refused_by_its_name(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_url(f"postgresql://u:p@one/evently?{query}")


@pytest.mark.parametrize("asked", ["standby", "read-only"])
def test_only_a_url_for_reads_may_ask_for_a_standby(asked: str) -> None:
    url = f"postgresql://one/evently?target_session_attrs={asked}"
    check_url(url, writable=False)
    with pytest.raises(ValueError, match=f"target_session_attrs={asked}, and what it names"):
        check_url(url)


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    url = f"postgresql://one/evently?sslmode=verify-ca&sslrootcert={__file__}&{name}={file}"
    with pytest.raises(ValueError, match=f"names a file in {name} that cannot be read: {file}"):
        check_url(url)
    file.touch()
    check_url(url)


def test_a_certificate_is_only_verified_with_one_to_verify_it_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    url = "postgresql://one/evently?sslmode=verify-full"
    with pytest.raises(ValueError, match="add sslrootcert=FILE, or sslrootcert=system"):
        check_url(url)
    check_url(f"{url}&sslrootcert=system")
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    check_url(url)
