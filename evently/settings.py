"""Reads the settings from the environment, and reports everything invalid at once.

Rule: a secret is never printed, and never a default: on the embedded database the service makes
its own at the first start, on any other they are required.
"""

import difflib
import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails

from db.url import check_url
from evently.domain.currencies import CURRENCIES, CURRENCY_DEFAULT
from evently.own_secrets import PREFIX, SECRETS_FILE, new_secrets, own_secrets, secrets_in

# Each of these may also be named by a file that holds it, as containers are given secrets.
FROM_FILES = (
    "database_url",
    "commit_database_url",
    "read_database_url",
    "internal_api_keys",
    "jwt_secret",
    "user_service_api_key",
)
FILE_SUFFIX = "_file"
# Far over 64 keys of the greatest length; more is no secret but another file.
FILE_BYTES_MAX = 65_536
JWT_SECRET_BYTES_MIN = 32
INTERNAL_KEY_MIN, INTERNAL_KEY_MAX = 16, 512
WORKERS_MAX = 64
# From this likeness on a name is a slip of a setting's (PRT, JWT_SECRETS), and below it a variable
# of something else (PUBLIC_BIND is 0.55 like a setting, SERVICE_PORT 0.64).
SLIP_LIKENESS = 0.75

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEY_NAME = re.compile(r"[a-z0-9_-]{1,32}")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_KNOWN_SECRETS = ("changeme", "change-me", "change_me", "secret", "password", "example", "default")


class SettingsError(Exception):
    """One line for every setting that is bad or missing."""


def usable_cpus() -> int:
    """The processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers(processors: int, *, embedded: bool) -> int:
    """A worker for each processor, less one for a database that shares the machine."""
    wanted = processors - 1 if embedded else processors
    return min(max(wanted, 1), WORKERS_MAX)


def _postgres_url(url: str) -> str:
    check_url(url)
    return url


def _readable_url(url: str) -> str:
    check_url(url, writable=False)
    return url


def _http_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise ValueError("must be a URL like https://users.example.org")
    return url.rstrip("/")


def _jwt_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text.encode()) < JWT_SECRET_BYTES_MIN:
        raise ValueError(
            f"must have {JWT_SECRET_BYTES_MIN} bytes or more; make one with "
            "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`"
        )
    if len(set(text)) < 8 or any(known in text.lower() for known in _KNOWN_SECRETS):  # noqa: PLR2004
        raise ValueError("is one that can be guessed; make a random one")
    return secret


def _keys(given: Any) -> Any:
    if isinstance(given, Mapping):
        return given
    keys: dict[str, tuple[SecretStr, ...]] = {}
    owners: dict[str, str] = {}
    for pair in str(given).split(","):
        name, colon, key = pair.strip().partition(":")
        if not colon or not _KEY_NAME.fullmatch(name):
            raise ValueError("must be name:key pairs with commas between, names of a-z 0-9 _ -")
        fits = INTERNAL_KEY_MIN <= len(key) <= INTERNAL_KEY_MAX
        if not fits or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError(
                f"the key named {name} must have {INTERNAL_KEY_MIN} to {INTERNAL_KEY_MAX} "
                "printable characters"
            )
        if key in owners:
            raise ValueError(f"a key is used twice, under {owners[key]} and {name}")
        owners[key] = name
        keys[name] = (*keys.get(name, ()), SecretStr(key))
    return keys


def _currency(given: Any) -> str:
    code = str(given).strip().upper()
    if code not in CURRENCIES:
        raise ValueError("must be a currency of ISO 4217 with two decimals or none, like EUR")
    return code


def _origins(given: Any) -> Any:
    origins = [part.strip().rstrip("/").lower() for part in str(given).split(",") if part.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError("must be origins like https://shop.example.org, with commas between")
    return frozenset(origins)


def _networks(given: Any) -> Any:
    try:
        parts = [part.strip() for part in str(given).split(",") if part.strip()]
        return tuple(ipaddress.ip_network(part) for part in parts)
    except ValueError as error:
        raise ValueError(f"must be addresses or networks with commas between: {error}") from error


PostgresUrl = Annotated[SecretStr, BeforeValidator(_postgres_url)]
ReadableUrl = Annotated[SecretStr, BeforeValidator(_readable_url)]


class Settings(BaseModel):
    """All that can be set; each is the environment variable of its name behind `EVENTLY_`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: PostgresUrl | None = None
    # Past a pooler that stands before the other one.
    commit_database_url: PostgresUrl | None = None
    read_database_url: ReadableUrl | None = None
    data_dir: Path = Path(".evently")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8002
    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = Field(
        default_factory=lambda given: default_workers(
            usable_cpus(), embedded=given.get("database_url") is None
        )
    )
    # A service's moves are its own by its name: the keys under one name are alike.
    internal_api_keys: Annotated[dict[str, tuple[SecretStr, ...]], BeforeValidator(_keys)]
    jwt_secret: Annotated[SecretStr, AfterValidator(_jwt_secret)]
    access_token_ttl_s: Annotated[int, Field(ge=10, le=86_400)] = 900
    refresh_token_ttl_s: Annotated[int, Field(ge=60, le=31_536_000)] = 604_800
    registration: Literal["open", "closed"] = "open"
    # What new events are sold in, unless they say otherwise.
    currency: Annotated[str, BeforeValidator(_currency)] = CURRENCY_DEFAULT
    user_service_url: Annotated[str, AfterValidator(_http_url)] | None = None
    # Without one, the user service is shown the first of the internal keys.
    user_service_api_key: SecretStr | None = None
    cors_origins: Annotated[frozenset[str], BeforeValidator(_origins)] = frozenset()
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()
    log_format: Literal["json", "text"] = Field(
        default_factory=lambda: "text" if sys.stderr.isatty() else "json"
    )

    @property
    def embedded(self) -> bool:
        """Whether the service runs a database of its own."""
        return self.database_url is None

    def commit_dsn(self, dsn: str) -> str:
        """Where seat moves are committed, if everything else is at `dsn`."""
        own = self.commit_database_url
        return dsn if own is None else own.get_secret_value()

    @property
    def secrets_path(self) -> Path:
        """Where the secrets are kept that the service made itself."""
        return self.data_dir / SECRETS_FILE

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Settings from lower-case names. Raises pydantic's ValidationError."""
        return cls.model_validate(given)


# All that may be set.
_KNOWN = Settings.model_fields.keys() | {f"{name}{FILE_SUFFIX}" for name in FROM_FILES}


def load_settings(environ: Mapping[str, str] | None = None, *, serving: bool = True) -> Settings:
    """The settings; empty variables count as not set. Raises SettingsError.

    `EVENTLY_JWT_SECRET_FILE` and its like name a file that holds the setting. A command that
    answers no requests is not `serving`: it needs no keys, and makes no files for them.
    """
    environ = os.environ if environ is None else environ
    given = _given(environ)
    problems = _read_files(given) + _slips(given)
    external = not given.keys().isdisjoint(_EXTERNAL)
    if "commit_database_url" in given and not external:
        problems.append(f"{PREFIX}COMMIT_DATABASE_URL needs {PREFIX}DATABASE_URL beside it")
    if not serving:
        given = {**new_secrets(), **given}
    elif not external:
        data_dir = Path(given.get("data_dir", ".evently"))
        try:
            given = {**own_secrets(data_dir), **given}
        except OSError as error:
            unusable = (
                f"{PREFIX}DATA_DIR cannot be used ({error.strerror}: {data_dir}); "
                "name a directory that this user may write"
            )
            raise SettingsError("\n".join([*problems, unusable, *_others(given)])) from None
    try:
        settings = Settings.of(given)
    except ValidationError as error:
        # A setting whose file cannot be read is reported once.
        problems += [
            _problem(found, given)
            for found in _errors(error)
            if f"{found['loc'][0]}{FILE_SUFFIX}" not in given
        ]
        raise SettingsError("\n".join(problems)) from None
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def secret_source(name: str, environ: Mapping[str, str] | None = None) -> str | Path:
    """Where a service with this environment has the secret `name` from: a variable, or a file."""
    environ = os.environ if environ is None else environ
    variable = f"{PREFIX}{name.upper()}"
    if environ.get(variable, "").strip():
        return variable
    named = environ.get(f"{variable}{FILE_SUFFIX.upper()}", "").strip()
    data_dir = environ.get(f"{PREFIX}DATA_DIR", "").strip() or ".evently"
    return Path(named) if named else Path(data_dir) / SECRETS_FILE


def read_secret(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The secret `name` of a service with this environment, or None. Raises SettingsError."""
    environ = os.environ if environ is None else environ
    source = secret_source(name, environ)
    if isinstance(source, str):
        return environ[source].strip()
    try:
        if source.name == SECRETS_FILE:
            return secrets_in(source).get(name)
        return _held(source)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{source} cannot be used ({reason})") from error


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """What `environ` sets under our prefix, by lower-case names without it."""
    return {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environ.items()
        if name.startswith(PREFIX) and text.strip()
    }


def _read_files(given: dict[str, str]) -> list[str]:
    """Put what the files hold into `given` for their names; what is wrong with them."""
    problems = []
    for name in FROM_FILES:
        path = given.get(f"{name}{FILE_SUFFIX}")
        if path is None:
            continue
        variable = f"{PREFIX}{name.upper()}"
        if name in given:
            problems.append(f"{variable} and {variable}_FILE are both set; keep one")
            continue
        try:
            held = _held(Path(path))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            problems.append(f"{variable}_FILE cannot be used ({reason}: {path})")
            continue
        given[name] = held
        del given[f"{name}{FILE_SUFFIX}"]
    return problems


def _held(path: Path) -> str:
    """The one line that a file holds. Raises OSError or ValueError."""
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if not text or not text.isprintable():
        raise ValueError("it must hold one line of text")
    return text


def _others(given: Mapping[str, str]) -> list[str]:
    """What is wrong with `given` beside the secrets that no directory could be read for."""
    try:
        Settings.of(given)
    except ValidationError as error:
        return [_problem(found, given) for found in _errors(error) if found["type"] != "missing"]
    return []


def _errors(error: ValidationError) -> list[ErrorDetails]:
    """What is wrong with settings that were given; not that a default could not be derived."""
    return [found for found in error.errors() if found["type"] != "default_factory_not_called"]


def foreign_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """The variables that begin like settings and are neither one nor a slip of one."""
    given = _given(os.environ if environ is None else environ)
    return [f"{PREFIX}{name.upper()}" for name in sorted(given.keys() - _KNOWN) if not _hint(name)]


def _slips(given: Mapping[str, str]) -> list[str]:
    """One line for each name that was surely meant to be a setting's."""
    hints = {name: _hint(name) for name in sorted(given.keys() - _KNOWN)}
    return [
        f"{PREFIX}{name.upper()} is not a setting of this service; {hint}"
        for name, hint in hints.items()
        if hint
    ]


def _hint(name: str) -> str | None:
    """What was meant by a name that is no setting; None where it is somebody else's."""
    near = difflib.get_close_matches(name, sorted(_KNOWN), 1, SLIP_LIKENESS)
    if near:
        return f"did you mean {PREFIX}{near[0].upper()}?"
    setting = name.removesuffix(FILE_SUFFIX)
    if setting in _KNOWN:
        return f"{PREFIX}{setting.upper()} is one, and only secrets come from files"
    return None


_EXTERNAL = ("database_url", f"database_url{FILE_SUFFIX}")


def _problem(found: ErrorDetails, given: Mapping[str, str]) -> str:
    field = str(found["loc"][0])
    name = f"{PREFIX}{field.upper()}"
    if found["type"] == "missing" and not given.keys().isdisjoint(_EXTERNAL):
        return f"{name} is required with an external database (see the README's table)"
    if found["type"] == "missing":
        return f"{name} is not in the data directory's {SECRETS_FILE}; set it, or remove that file"
    if given[field].startswith("tcp://"):
        return (
            f"{name} was set by Kubernetes, for a Service of that name; "
            "set enableServiceLinks: false on the pod, or name the Service otherwise"
        )
    if Settings.model_fields[field].annotation is int:
        bounds = Settings.model_fields[field].metadata
        least = next(bound.ge for bound in bounds if hasattr(bound, "ge"))
        most = next(bound.le for bound in bounds if hasattr(bound, "le"))
        return f"{name} must be a whole number from {least} to {most}"
    message = found["msg"].removeprefix("Value error, ")
    return f"{name} {message.replace('Input should be', 'must be')}"
