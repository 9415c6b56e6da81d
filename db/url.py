"""Reads a database URL as libpq does, and names what of it cannot be honoured.

Rule: every parameter of the query is taken or refused by its name. (The driver sends what it does
not know to the server as a setting, and the server ends the connection.)
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from evently.domain.value import value

# Every host costs a connection attempt each time; a cluster has three or five members.
HOSTS_MAX = 16
# A caller whose event has no connection waits that long for one, host by host at the same time.
CONNECT_S_MAX = 10

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# The roots that the operating system trusts, as libpq names them.
SYSTEM_ROOTS = "system"
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")

# What the driver, or the server for `options`, does as libpq would.
_PASSED_ON = frozenset(
    {
        *("host", "port", "dbname", "user", "password", "options", *_FILES),
        *("sslmode", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    }
)
# Both ends of a connection can probe it, with the same effect: here the server is asked to.
_SERVER_SETTINGS = {
    "keepalives_idle": "tcp_keepalives_idle",
    "keepalives_interval": "tcp_keepalives_interval",
    "keepalives_count": "tcp_keepalives_count",
    "tcp_user_timeout": "tcp_user_timeout",
}
# What is so anyway may be asked for; the rest of each cannot be had.
_AS_IT_IS = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "keepalives": ("1",),
    "client_encoding": ("UTF8", "utf8", "UTF-8", "utf-8"),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "load_balance_hosts": ("disable",),
}
_INSTEAD = {
    "channel_binding": "sslmode=verify-full proves which server it is",
    "gssencmode": "use sslmode instead",
    "application_name": "the connections are named evently-..., each after its use",
    "service": "write the URL out",
}
_WRITABLE = ("any", "read-write", "primary")
_READABLE = (*_WRITABLE, "read-only", "standby")
_AUTHORITY = re.compile(
    r"(?P<before>\w+://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*)(?P<after>.*)", re.DOTALL
)
_Query = dict[str, str]


@value
class DatabaseUrl:
    """A URL for each of the hosts, and what of the query is not for the driver to do."""

    hosts: tuple[str, ...]
    server_settings: Mapping[str, str]
    connect_timeout_s: float | None
    target_session_attrs: str | None
    system_roots: bool


def read_url(url: str) -> DatabaseUrl:
    """What `url` says. Raises ValueError, which names the parameter that cannot be honoured."""
    urls = _hosts_before_path(url)
    split = urlsplit(urls[0])
    if split.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be a URL like postgresql://user:password@host:5432/evently")
    try:
        query = dict(
            parse_qsl(split.query, keep_blank_values=True, strict_parsing=bool(split.query))
        )
    except ValueError:
        raise ValueError("has a query that is not name=value pairs with & between") from None
    fields = len(query)
    server_settings = {
        ours: _number(query, name) for name, ours in _SERVER_SETTINGS.items() if name in query
    }
    timeout_s = _number(query, "connect_timeout", 1, CONNECT_S_MAX)
    target = _one_of(query, "target_session_attrs", _READABLE)
    for name, values in _AS_IT_IS.items():
        _one_of(query, name, values)
    _one_of({"sslmode": query.get("sslmode", "prefer")}, "sslmode", SSL_MODES)
    system_roots = _system_roots(query)
    for name in sorted(query.keys() - _PASSED_ON):
        instead = _INSTEAD.get(name, "a setting of the server goes into options=-c%20name%3Dvalue")
        raise ValueError(f"has {name}, which this service does not take; {instead}")
    if len(query) < fields:
        urls = [_with_query(one, urlencode(query)) for one in urls]
    hosts = urls if len(urls) > 1 else _hosts_in_query(urls[0])
    if len(hosts) > HOSTS_MAX:
        raise ValueError(f"names {len(hosts)} hosts; {HOSTS_MAX} are the most")
    return DatabaseUrl(
        hosts=tuple(hosts),
        server_settings={name: text for name, text in server_settings.items() if text is not None},
        connect_timeout_s=None if timeout_s is None else float(timeout_s),
        target_session_attrs=target,
        system_roots=system_roots,
    )


def check_url(url: str, *, writable: bool = True) -> None:
    """Raise ValueError unless `url` can be used here, with the files it names.

    The service writes to a `writable` one.
    """
    read = read_url(url)
    if writable and read.target_session_attrs not in {None, *_WRITABLE}:
        raise ValueError(
            f"has target_session_attrs={read.target_session_attrs}, and what it names is written to"
        )
    query = dict(parse_qsl(urlsplit(read.hosts[0]).query))
    for name in _FILES:
        path = query.get(name)
        if path is not None and not os.access(path, os.R_OK):
            raise ValueError(f"names a file in {name} that cannot be read: {path}")
    default = Path(os.environ.get("HOME", "/"), ".postgresql", "root.crt")
    verifies = query.get("sslmode", "").startswith("verify-")
    if verifies and not read.system_roots and "sslrootcert" not in query and not default.exists():
        raise ValueError(
            f"has sslmode={query['sslmode']} and names no certificate to verify with: add "
            "sslrootcert=FILE, or sslrootcert=system for those that the machine trusts"
        )


def hosts_and_name(url: str) -> str:
    """The hosts and the name of the database that `url` names: all that is no secret."""
    urls = _hosts_before_path(url)
    split = urlsplit(urls[0])
    hosts = ",".join(urlsplit(one).netloc.rpartition("@")[2] for one in urls)
    return f"{hosts or dict(parse_qsl(split.query)).get('host', '')}{split.path}"


def _number(query: _Query, name: str, least: int = 0, most: int = 2**31 - 1) -> str | None:
    """Take a whole number out of the query; None where there is none."""
    text = query.pop(name, None)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ValueError(f"has {name}={text}, which must be a whole number from {least} to {most}")
    return text


def _one_of(query: _Query, name: str, values: tuple[str, ...]) -> str | None:
    """Take one of these values out of the query; None where there is none."""
    text = query.pop(name, None)
    if text is None or text in values:
        return text
    instead = f"; {_INSTEAD[name]}" if name in _INSTEAD else ""
    raise ValueError(f"has {name}={text}, which must be {' or '.join(values)}{instead}")


def _system_roots(query: _Query) -> bool:
    """Take `sslrootcert=system` out of the query; whether it was there."""
    if query.get("sslrootcert") != SYSTEM_ROOTS:
        return False
    if query.pop("sslmode", "verify-full") != "verify-full":
        raise ValueError("has sslrootcert=system, which needs sslmode=verify-full")
    del query["sslrootcert"]
    return True


def _hosts_before_path(url: str) -> list[str]:
    """A URL for each of the hosts that stand between commas before the path: `h1:5432,[::1]:5433`.

    libpq reads them so. To urllib they are no hosts, and no URL from Python 3.14 on.
    """
    parts = _AUTHORITY.fullmatch(url)
    if parts is None:
        return [url]
    return [f"{parts['before']}{host}{parts['after']}" for host in parts["hosts"].split(",")]


def _hosts_in_query(url: str) -> list[str]:
    """A URL for each of the hosts that `host` and `port` of its query name, as libpq reads them."""
    query = urlsplit(url).query
    found = _queries(query)
    return [url] if len(found) == 1 else [_with_query(url, one) for one in found]


def _with_query(url: str, query: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=query))


def _queries(query: str) -> list[str]:
    """The query once for each host in it."""
    fields = dict(parse_qsl(query, keep_blank_values=True))
    hosts = fields.get("host", "").split(",")
    ports = fields.get("port", "").split(",")
    if len(hosts) == 1:
        return [query]
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise ValueError(f"names {len(hosts)} hosts and {len(ports)} ports")
    return [
        urlencode(fields | {"host": host} | ({"port": port} if port else {}))
        for host, port in zip(hosts, ports, strict=True)
    ]
