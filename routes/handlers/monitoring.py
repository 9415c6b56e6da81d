"""What operators and their machines read: health, readiness, metrics, the API's own document.

Rule: `/healthz` says that the process answers and asks nothing; `/health/ready` says whether work
should be sent here.
"""

from routes.call import Call
from routes.contract.answers import Health, Readiness
from routes.contract.errors import ApiError, Code
from routes.contract.raw import Raw
from routes.endpoint import Endpoint

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def healthz(call: Call) -> Health:
    """The process answers."""
    return Health()


async def ready(call: Call) -> Readiness:
    """The service can do its work: it is not stopping, and the database commits."""
    services = call.services
    if services.lifecycle.draining:
        raise _not_ready("This worker is stopping", "draining")
    problem = await services.ready_check.problem()
    if problem is not None:
        raise _not_ready(problem.message, problem.reason)
    return Readiness("ready", "connected")


def _not_ready(message: str, database: str) -> ApiError:
    details = {"status": "not ready", "database": database}
    headers = {"Retry-After": "1"}
    return ApiError(Code.DATABASE_UNAVAILABLE, message, details, headers=headers)


async def metrics(call: Call) -> Raw:
    """The metrics of all workers, for Prometheus."""
    return Raw(await call.services.observer.exposition(), METRICS_TYPE)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/healthz",
        handler=healthz,
        tag="Monitoring",
        summary="The process answers",
        description=(
            "For liveness probes: asks nothing of the database, because an outage of it is no "
            "reason to restart the process."
        ),
        answer=Health,
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/health/ready",
        handler=ready,
        tag="Monitoring",
        summary="The service can do its work",
        description=(
            "For readiness probes: asks the database for a commit. An answer of 503 says why "
            "in its message."
        ),
        answer=Readiness,
        errors=(Code.DATABASE_UNAVAILABLE,),
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=metrics,
        tag="Monitoring",
        summary="Metrics for Prometheus",
        description=("The metrics of all workers of this node, in the text format of Prometheus."),
        answer="text/plain",
        hot=True,
    ),
)
