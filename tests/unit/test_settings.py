"""What the environment may say, and that all that is wrong is said at once."""

import ipaddress
import os
import re
import stat
from pathlib import Path

import pytest

from evently.own_secrets import PREFIX
from evently.settings import (
    Settings,
    SettingsError,
    default_workers,
    foreign_names,
    load_settings,
)

SECRET = "Zq3vN8rT1xKb6LwYc0PdUe7MhGf4JaSo"
KEYS = "booking:abcdefghijklmnop"
EXTERNAL = {
    "EVENTLY_DATABASE_URL": "postgresql://evently@db:5432/evently",
    "EVENTLY_JWT_SECRET": SECRET,
    "EVENTLY_INTERNAL_API_KEYS": KEYS,
}


def load(**changes: str) -> Settings:
    """The settings of EXTERNAL with `changes`, an empty one counting as not set."""
    named = {f"{PREFIX}{name.upper()}": text for name, text in changes.items()}
    return load_settings({**EXTERNAL, **named})


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ)
    return str(refused.value).splitlines()


def problem(**changes: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(**changes)
    (line,) = str(refused.value).splitlines()
    return line


def test_what_is_not_set_has_the_documented_default() -> None:
    settings = load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8002)
    assert (settings.access_token_ttl_s, settings.refresh_token_ttl_s) == (900, 604_800)
    assert settings.workers == len(os.sched_getaffinity(0))
    assert settings.registration == "open"
    assert settings.data_dir == Path(".evently")
    assert settings.user_service_url is None
    assert settings.read_database_url is None
    assert settings.cors_origins == frozenset()
    assert settings.trusted_proxies == ()
    assert not settings.embedded


@pytest.mark.parametrize(
    ("processors", "embedded", "workers"),
    [(1, True, 1), (2, True, 1), (8, True, 7), (1, False, 1), (2, False, 2), (500, False, 64)],
)
def test_an_embedded_database_gets_a_processor_of_its_own(
    processors: int, embedded: bool, workers: int
) -> None:
    assert default_workers(processors, embedded=embedded) == workers


def test_everything_can_be_set() -> None:
    settings = load(
        read_database_url="postgres://replica/evently",
        data_dir="/var/lib/evently",
        host="0.0.0.0",  # noqa: S104
        port="80",
        workers="3",
        access_token_ttl_s="60",
        refresh_token_ttl_s="3600",
        registration="closed",
        user_service_url="https://users.example.org/",
        cors_origins="https://Shop.example.org, http://localhost:3000/,",
        trusted_proxies="10.0.0.0/8, 192.0.2.1, 2001:db8::/32",
        log_format="json",
    )
    assert settings.port == 80
    assert settings.workers == 3
    assert settings.registration == "closed"
    assert settings.user_service_url == "https://users.example.org"
    assert settings.cors_origins == {"https://shop.example.org", "http://localhost:3000"}
    assert settings.trusted_proxies == (
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("192.0.2.1/32"),
        ipaddress.ip_network("2001:db8::/32"),
    )
    assert settings.log_format == "json"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    lines = problems(
        {
            "EVENTLY_DATABASE_URL": "mysql://db",
            "EVENTLY_PORT": "80o2",
            "EVENTLY_WORKERS": "0",
            "EVENTLY_REGISTRATION": "maybe",
            "EVENTLY_PROT": "8003",
            "HOME": "/root",
        }
    )
    named = {line.split()[0] for line in lines}
    assert named == {
        "EVENTLY_DATABASE_URL",
        "EVENTLY_INTERNAL_API_KEYS",
        "EVENTLY_JWT_SECRET",
        "EVENTLY_PORT",
        "EVENTLY_PROT",
        "EVENTLY_REGISTRATION",
        "EVENTLY_WORKERS",
    }
    assert len(lines) == len(named)


def test_a_name_that_is_nearly_one_gets_a_hint() -> None:
    assert problem(jwt_secert=SECRET).endswith("did you mean EVENTLY_JWT_SECRET?")
    assert problem(prt="1").endswith("did you mean EVENTLY_PORT?")


def test_names_that_are_somebody_elses_are_told_and_ignored() -> None:
    haproxy = Path("deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    shipped = dict.fromkeys(re.findall(r"EVENTLY_[A-Z_0-9]+", haproxy), "127.0.0.1:1")
    assert len(shipped) == 6
    services = {"EVENTLY_SERVICE_HOST": "10.0.0.1", "EVENTLY_PORT_8002_TCP_PORT": "8002"}
    environ = {**EXTERNAL, **shipped, **services, "EVENTLY_BLANK": " ", "OTHER": "1"}
    assert load_settings(environ).port == 8002
    assert foreign_names(environ) == sorted(shipped | services)
    assert foreign_names({**EXTERNAL, "EVENTLY_PRT": "1"}) == [], "a slip is refused instead"


def test_only_a_database_of_ones_own_has_another_way_to_commit() -> None:
    direct = "postgresql://evently@primary/evently"
    settings = load(commit_database_url=direct)
    assert settings.commit_dsn("postgresql://pooler/evently") == direct
    assert load().commit_dsn("postgresql://pooler/evently") == "postgresql://pooler/evently"
    (line,) = problems({"EVENTLY_COMMIT_DATABASE_URL": direct})
    assert line == "EVENTLY_COMMIT_DATABASE_URL needs EVENTLY_DATABASE_URL beside it"


def test_secrets_are_required_on_an_external_database() -> None:
    lines = problems({"EVENTLY_DATABASE_URL": EXTERNAL["EVENTLY_DATABASE_URL"]})
    assert [line.partition(" is required ")[0] for line in lines] == [
        "EVENTLY_INTERNAL_API_KEYS",
        "EVENTLY_JWT_SECRET",
    ]


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(port=" ", user_service_url="").port == 8002
    assert "is required" in problem(jwt_secret="")


@pytest.mark.parametrize(
    "secret",
    ["x" * 31, "short", "changeme" * 4, "changeme-0123456789-abcdefghijklmn", "a" * 64, "ab" * 32],
)
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    assert problem(jwt_secret=secret).startswith("EVENTLY_JWT_SECRET ")


def test_a_secret_of_32_bytes_is_enough() -> None:
    assert load(jwt_secret=SECRET).jwt_secret.get_secret_value() == SECRET


def test_a_secret_is_never_printed() -> None:
    printed = repr(load(database_url="postgresql://evently:hunter2@db/evently"))
    for hidden in (SECRET, "abcdefghijklmnop", "hunter2"):
        assert hidden not in printed
    for line in (
        problem(internal_api_keys="booking:hunter2"),
        problem(jwt_secret="hunter2"),
        problem(database_url="db://evently:hunter2@db/evently"),
    ):
        assert "hunter2" not in line


def test_a_service_has_one_name_and_several_internal_keys() -> None:
    given = f"{KEYS}, resale:0123456789:abcde, booking:ponmlkjihgfedcba"
    keys = load(internal_api_keys=given).internal_api_keys
    assert {name: [key.get_secret_value() for key in its] for name, its in keys.items()} == {
        "booking": ["abcdefghijklmnop", "ponmlkjihgfedcba"],
        "resale": ["0123456789:abcde"],
    }


@pytest.mark.parametrize(
    "keys",
    [
        "abcdefghijklmnop",
        ":abcdefghijklmnop",
        "Booking:abcdefghijklmnop",
        f"{'n' * 33}:abcdefghijklmnop",
        "booking:abcdefghijklmno",
        "booking:abcdefgh\tijklmnop",
        "booking:abcdefgh ijklmnop",
        "booking:abcdefghijklmnöp",
        f"{KEYS},{KEYS}",
        f"{KEYS},resale:abcdefghijklmnop",
        f"{KEYS},",
    ],
)
def test_internal_keys_that_are_none_are_refused(keys: str) -> None:
    assert problem(internal_api_keys=keys).startswith("EVENTLY_INTERNAL_API_KEYS ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("workers", "65"),
        ("access_token_ttl_s", "0"),
        ("refresh_token_ttl_s", "1.5"),
        ("log_format", "xml"),
        ("user_service_url", "users.example.org"),
        ("user_service_url", "ftp://users.example.org"),
        ("cors_origins", "*"),
        ("cors_origins", "https://*.example.org"),
        ("cors_origins", "https://shop.example.org/path"),
        ("cors_origins", "https://me@shop.example.org"),
        ("cors_origins", "null"),
        ("trusted_proxies", "proxy.example.org"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("read_database_url", "replica"),
    ],
)
def test_a_bad_value_names_its_setting(name: str, text: str) -> None:
    assert problem(**{name: text}).startswith(f"EVENTLY_{name.upper()} ")


def test_a_port_that_kubernetes_set_is_explained() -> None:
    assert "enableServiceLinks" in problem(port="tcp://10.0.0.1:8002")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1  # type: ignore[misc]


def test_the_environment_is_read_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {**EXTERNAL, "EVENTLY_PORT": "8003"}.items():
        monkeypatch.setenv(name, text)
    assert load_settings().port == 8003
    assert load_settings(EXTERNAL).port == 8002


def embedded(folder: Path, **changes: str) -> Settings:
    return load_settings({"EVENTLY_DATA_DIR": str(folder), **changes})


def test_the_embedded_database_comes_with_secrets_that_stay(tmp_path: Path) -> None:
    first = embedded(tmp_path / "data")
    again = embedded(tmp_path / "data")
    assert first.embedded
    assert first.jwt_secret == again.jwt_secret
    assert first.internal_api_keys == again.internal_api_keys
    assert embedded(tmp_path / "other").jwt_secret != first.jwt_secret


def test_own_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    settings = embedded(tmp_path)
    assert stat.S_IMODE(settings.secrets_path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.env"]


def test_the_environment_wins_over_own_secrets(tmp_path: Path) -> None:
    embedded(tmp_path)
    settings = embedded(tmp_path, EVENTLY_JWT_SECRET=SECRET)
    assert settings.jwt_secret.get_secret_value() == SECRET
    assert embedded(tmp_path).jwt_secret.get_secret_value() != SECRET


def test_own_secrets_that_lack_one_say_where(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text(f"EVENTLY_JWT_SECRET={SECRET}\n", encoding="utf-8")
    (line,) = problems({"EVENTLY_DATA_DIR": str(tmp_path)})
    assert line.startswith("EVENTLY_INTERNAL_API_KEYS is not in the data directory's secrets.env")


def test_a_data_directory_that_cannot_be_is_said_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    lines = problems({"EVENTLY_DATA_DIR": str(tmp_path / "file" / "data"), "EVENTLY_PORT": "x"})
    assert [line.split()[0] for line in lines] == ["EVENTLY_DATA_DIR", "EVENTLY_PORT"]


def test_no_own_secrets_are_made_for_an_external_database(tmp_path: Path) -> None:
    load(data_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def file_in(folder: Path, text: str) -> str:
    path = folder / "secret"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("database_url", "postgresql://evently:hunter2@db/evently\n", "database_url"),
        ("read_database_url", "postgresql://evently@replica/evently", "read_database_url"),
        ("jwt_secret", f"{SECRET}\n", "jwt_secret"),
        ("user_service_api_key", " key-of-the-users \r\n", "user_service_api_key"),
    ],
)
def test_a_secret_may_come_from_a_file(tmp_path: Path, name: str, text: str, read: str) -> None:
    environ = {key: value for key, value in EXTERNAL.items() if key != f"EVENTLY_{name.upper()}"}
    environ[f"EVENTLY_{name.upper()}_FILE"] = file_in(tmp_path, text)
    secret = getattr(load_settings(environ), read)
    assert secret.get_secret_value() == text.strip()


def test_internal_keys_may_come_from_a_file(tmp_path: Path) -> None:
    environ = {key: value for key, value in EXTERNAL.items() if "KEYS" not in key}
    environ["EVENTLY_INTERNAL_API_KEYS_FILE"] = file_in(tmp_path, f"{KEYS}\n")
    assert load_settings(environ).internal_api_keys.keys() == {"booking"}


def test_a_setting_and_its_file_are_one_too_many(tmp_path: Path) -> None:
    path = file_in(tmp_path, SECRET)
    assert problem(jwt_secret_file=path) == (
        "EVENTLY_JWT_SECRET and EVENTLY_JWT_SECRET_FILE are both set; keep one"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "one line"),
        (b" \n", "one line"),
        (b"first\nsecond", "one line"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 65_537, "more than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_said_with_the_rest(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    environ = {key: value for key, value in EXTERNAL.items() if "JWT" not in key}
    lines = problems({**environ, "EVENTLY_JWT_SECRET_FILE": str(path), "EVENTLY_PORT": "x"})
    assert [line.split()[0] for line in lines] == ["EVENTLY_JWT_SECRET_FILE", "EVENTLY_PORT"]
    assert reason in lines[0]


def test_a_file_that_is_not_there_is_named_and_no_database_is_made(tmp_path: Path) -> None:
    lines = problems(
        {
            **{key: value for key, value in EXTERNAL.items() if "DATABASE" not in key},
            "EVENTLY_DATABASE_URL_FILE": str(tmp_path / "none"),
            "EVENTLY_DATA_DIR": str(tmp_path / "data"),
        }
    )
    (line,) = lines
    assert line.startswith("EVENTLY_DATABASE_URL_FILE cannot be used (No such file")
    assert not (tmp_path / "data").exists()


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    path = file_in(tmp_path, "8003")
    assert problem(port_file=path).startswith("EVENTLY_PORT_FILE is not a setting of this service")


def test_who_serves_nobody_needs_no_keys_for_an_external_database() -> None:
    url = {"EVENTLY_DATABASE_URL": "postgresql://db/evently"}
    settings, again = (load_settings(url, serving=False) for _ in range(2))
    assert settings.database_url is not None
    assert settings.jwt_secret != again.jwt_secret, "nobody knows the key that stands in"
    given = load_settings({**url, "EVENTLY_JWT_SECRET": SECRET}, serving=False)
    assert given.jwt_secret.get_secret_value() == SECRET
    with pytest.raises(SettingsError, match="EVENTLY_PORT"):
        load_settings({**url, "EVENTLY_PORT": "x"}, serving=False)
    with pytest.raises(SettingsError, match="EVENTLY_JWT_SECRET is required"):
        load_settings(url)
