"""The hosts of a database URL."""

import pytest

from db.connect import HOSTS_MAX, one_host_each


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
    assert one_host_each(dsn) == (dsn,)


def test_hosts_before_the_path_share_all_the_rest() -> None:
    assert one_host_each("postgresql://u:p%40@one:5432,[::1]:5433,two/evently?sslmode=require") == (
        "postgresql://u:p%40@one:5432/evently?sslmode=require",
        "postgresql://u:p%40@[::1]:5433/evently?sslmode=require",
        "postgresql://u:p%40@two/evently?sslmode=require",
    )


def test_hosts_in_the_query_have_a_port_each_or_one_for_all() -> None:
    assert one_host_each("postgresql://u@/evently?host=one,two&port=1,2") == (
        "postgresql://u@/evently?host=one&port=1",
        "postgresql://u@/evently?host=two&port=2",
    )
    assert one_host_each("postgresql://u@/evently?host=/a,/b&port=1") == (
        "postgresql://u@/evently?host=%2Fa&port=1",
        "postgresql://u@/evently?host=%2Fb&port=1",
    )


def test_a_url_names_so_many_hosts_and_no_more() -> None:
    hosts = [f"h{number}" for number in range(HOSTS_MAX)]

    assert len(one_host_each(f"postgresql://u@{','.join(hosts)}/evently")) == HOSTS_MAX
    with pytest.raises(ValueError, match="16 hosts at most"):
        one_host_each(f"postgresql://u@{','.join(hosts)},more/evently")
