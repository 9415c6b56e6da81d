"""How the tests are spread over the processes of a run.

Rules
1. Tests that share what takes seconds to start all run in one process, which starts it once, and
   such groups come first; every other test goes to whichever process is free.
2. Every process collects the same tests: what a test is parametrised with is no random id, no time
   and no set of strings.
"""

import re

from xdist.scheduler import LoadScopeScheduling

# In a test's id: the service that it shares, as the fixtures of tests/acceptance name it, or the
# modules whose tests share a primary with its standby, a service for the client, or a browser.
_SHARED = re.compile(
    r"\[(?:.*-)?(?P<service>\d-workers?|cluster-of-\d)[-\]]"
    r"|(?P<module>test_standby\.py|acceptance/test_client_|tests/browser/)"
)


class SharedServices(LoadScopeScheduling):
    """xdist's scheduler of groups, largest first, with the services as groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of a test; of most, it is the only member."""
    shared = _SHARED.search(nodeid)
    return nodeid if shared is None else shared["service"] or shared["module"]
