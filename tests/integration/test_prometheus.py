"""The monitoring that is shipped: a real Prometheus reads a running service, its rules and the
dashboard's queries.
"""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.service import Service, running
from tests.acceptance.service_process import ROOT
from tests.surroundings import free_port, program
from tests.until import until

PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "evently.json"
# The shortest steps that a rate and a rule need, where nobody wants to wait for them.
SCRAPE = "250ms"

_METRIC = re.compile(r"\bevently_[a-z_]+")


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [program("promtool", "prometheus"), *arguments],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules/recording.yml", "rules/alerts.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_has_nothing_to_say_against_it(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def dashboard_queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_every_metric_that_is_looked_at_is_one_that_the_service_counts() -> None:
    counted = {
        name
        for file in (ROOT / "evently").glob("*.py")
        for name in re.findall(r'"(evently_[a-z_]+)"', file.read_text(encoding="utf-8"))
    }
    histograms = {f"{name}_{part}": name for name in counted for part in ("bucket", "count", "sum")}
    assert {histograms.get(name, name) for name in looked_at()} - counted == set()


def looked_at() -> set[str]:
    """The metrics that the dashboard and the rules name, without what they record themselves."""
    texts = dashboard_queries()
    texts += [path.read_text(encoding="utf-8") for path in (PROMETHEUS / "rules").iterdir()]
    return {name for text in texts for name in _METRIC.findall(text)}


def test_every_alert_is_in_the_runbook() -> None:
    rules = (PROMETHEUS / "rules" / "alerts.yml").read_text(encoding="utf-8")
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", runbook, re.MULTILINE)
    explained = {name for heading in headings for name in re.findall(r"Evently[A-Z]\w+", heading)}
    assert alerts == explained
    assert alerts >= set(re.findall(r"`(Evently[A-Z]\w+)`", runbook))


def test_every_alert_links_to_its_paragraph_in_the_runbook() -> None:
    rules = (PROMETHEUS / "rules" / "alerts.yml").read_text(encoding="utf-8")
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", runbook, re.MULTILINE)
    }
    alerts = rules.split("- alert: ")[1:]
    for alert in alerts:
        name = alert.split("\n", 1)[0]
        (anchor,) = re.findall(r'runbook_url: "{{ \$externalLabels.runbook }}#(.*)"', alert)
        assert anchor in anchors
        assert name.lower() in anchor.split("-")


def test_the_dashboard_fits_any_data_source_and_job() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert [one["name"] for one in dashboard["templating"]["list"]] == [
        "datasource",
        "job",
        "instance",
    ]
    for panel in dashboard["panels"]:
        assert panel["description"], panel["title"]
        for query in (panel, *panel["targets"]):
            assert query["datasource"]["uid"] == "${datasource}", panel["title"]
        for target in panel["targets"]:
            # What a rule recorded is of all nodes together.
            recorded = target["expr"].count("evently:")
            selectors = target["expr"].count('instance=~"$instance"')
            assert target["expr"].count('job=~"$job"') == selectors
            assert selectors + recorded > 0, panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


@contextmanager
def scraping(folder: Path, target_port: int) -> Iterator[str]:
    """A Prometheus with the shipped files, pointed at a service here; its URL."""
    shutil.copytree(PROMETHEUS, folder / "config")
    config = folder / "config" / "prometheus.yml"
    text = config.read_text(encoding="utf-8")
    text = text.replace("_interval: 15s", f"_interval: {SCRAPE}")
    port = free_port()
    config.write_text(text.replace("localhost:9090", f"127.0.0.1:{port}"), encoding="utf-8")
    recording = folder / "config" / "rules" / "recording.yml"
    text = recording.read_text(encoding="utf-8")
    recording.write_text(text.replace("interval: 2m", f"interval: {SCRAPE}"), encoding="utf-8")
    (folder / "config" / "targets.json").write_text(
        json.dumps([{"targets": [f"127.0.0.1:{target_port}"]}]), encoding="utf-8"
    )
    with (folder / "log").open("wb") as log:
        popen = subprocess.Popen(
            [
                program("prometheus", "prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        popen.terminate()
        popen.wait(20)


class Prometheus:
    """Asks a Prometheus."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The samples of an instant query. Raises AssertionError where it is refused."""
        asked = {"query": expr}
        async with self._session.get(f"{self._url}/api/v1/query", params=asked) as answer:
            said = await answer.json()
        assert said["status"] == "success", f"{expr}: {said}"
        samples: list[dict[str, Any]] = said["data"]["result"]
        return samples

    async def value(self, expr: str) -> float | None:
        """The one sample of an instant query; None where there is none, or nobody answers."""
        try:
            samples = await self.query(expr)
        except aiohttp.ClientError:
            return None
        return float(samples[0]["value"][1]) if samples else None

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health."""
        async with self._session.get(f"{self._url}/api/v1/rules") as answer:
            groups = (await answer.json())["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Prometheus]:
    async with aiohttp.ClientSession() as session:
        yield Prometheus(url, session)


async def test_a_real_prometheus_reads_a_running_service(database_url: str, tmp_path: Path) -> None:
    with (
        running(Service(database_url, 2)) as service,
        scraping(tmp_path, service.process.port) as url,
    ):
        async with service.connected(), asking(url) as prometheus:
            event = await service.clients.published_event()
            event_id = event["event_id"]
            for _ in range(7):
                await service.clients.reserve(event_id, 1)
            await service.clients.move(event_id, 1)
            holds, internal = f"/internal/events/{event_id}/holds", service.api.internal
            held = await service.api.send("POST", holds, headers=internal, body={"quantity": 1})
            confirm = f"{held.headers['Location']}/confirm"
            await service.api.send("POST", confirm, headers=internal)
            await service.api.send("GET", f"/api/v1/events/{event_id}/availability")
            await service.api.send("GET", "/api/v1/events")
            await service.api.send(
                "POST", "/api/v1/auth/admin/login", body={"email": "a@x.io", "password": "wrong it"}
            )

            async def exposed() -> bool:
                """Whether all that is looked at is there; of failures there were none."""
                text = (await service.api.send("GET", "/metrics")).body.decode()
                names = set(re.findall(r"^(evently_[a-z_]+)", text, re.MULTILINE))
                return looked_at() - names == {"evently_commit_failures_total"}

            await until(exposed, 10.0, "every metric that the dashboard and the rules name")

            async def sold() -> Any:
                expr = 'sum(evently_seat_moves_total{job="evently",kind="reserve",outcome="done"})'
                return await prometheus.value(expr) == 7.0

            await until(sold, 30.0, "seven reserves in Prometheus")
            assert await prometheus.value('up{job="evently"}') == 1
            assert await prometheus.value("sum(evently_seat_drift_seats)") == 0
            assert await prometheus.value("max(evently_replication_slot_lag_bytes)") == 0
            assert await prometheus.value("sum(evently_workers)") == 2
            assert await prometheus.value("sum(evently_worker_starts_total)") == 2

            async def evaluated() -> Any:
                return all(rule["health"] == "ok" for rule in await prometheus.rules())

            await until(evaluated, 30.0, "every rule evaluated")
            for expr in dashboard_queries():
                query = expr.replace("$instance", ".*").replace("$job", ".*")
                query = query.replace("$__rate_interval", "1m")
                await prometheus.query(query)
            firing = await prometheus.query('ALERTS{alertstate="firing"}')
            assert firing == []
            # What is counted between two scrapes is a rate.
            await service.clients.reserve(event_id, 1)
            moves = 'sum(evently:requests:rate5m{route=~"/internal/.*",status="200"}) > 0'

            async def rated() -> Any:
                return bool(await prometheus.value(moves))

            await until(rated, 30.0, "a rate")
