"""How the tests are spread over the processes of a run.

Rules
1. Tests that share what takes seconds to start all run in one process, which starts it once, and
   such groups come first; every other test goes to whichever process is free.
2. Every process collects the same tests: what a test is parametrised with is no random id, no time
   and no set of strings.
"""

import re

from xdist.scheduler import LoadScopeScheduling

# In a test's id: the service that it shares, as the fixtures of tests/acceptance name it; or the
# modules whose tests share a service for the client, a data directory, a backup, or a primary with
# its standby. The modules of the console's tests share two services, each with a browser: these
# three take as long as the rest.
_SHARED = re.compile(
    r"\[(?:.*-)?(?P<service>\d-workers?|cluster-of-\d)[-\]]"
    r"|(?P<pair>integration/test_(?:standby|readiness)\.py)"
    r"|(?P<events_lists_blocks>tests/browser/test_(?:blocks|events|lists)\.py)"
    r"|(?P<modules>acceptance/test_client_|tests/browser/|integration/test_(?:backup|embedded))"
)


class SharedServices(LoadScopeScheduling):
    """xdist's scheduler of groups, largest first, with the services as groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of a test; of most, it is the only member."""
    shared = _SHARED.search(nodeid)
    if shared is None:
        return nodeid
    return shared["service"] or shared["modules"] or str(shared.lastgroup)
