"""Says whether sales can go on, and if not, why.

Rule: it asks for what a sale needs, a commit on the primary, on a connection that nothing else
uses; so it is red when nothing can be sold, within a second, and never because much is.
"""

import asyncio
import time
from collections.abc import Callable

import asyncpg

from db.migrate import ENCODING
from db.witness import Proof, Witness
from evently.domain.errors import AnswerLost, Fault, RowLocked
from evently.domain.value import value

# A second for the whole answer, as probes wait for one.
PROVE_S = 0.9
# However many probes there are, and however often they come, the database is asked this often.
REMEMBER_S = 0.25

# What commits must wait for if there is a synchronous standby; `remote_write` is enough, for only
# both machines at once can lose what one has on disk and the other in memory.
_WAITS_FOR_STANDBY = frozenset({"on", "remote_apply", "remote_write"})


@value
class Unready:
    """Why nothing can be sold: `reason` in a word or two, `message` in a sentence."""

    reason: str
    message: str


class ReadyCheck:
    """Asks the witness, and remembers its answer for a moment.

    As long as the database is `unchecked`, that is the answer.
    """

    def __init__(
        self, witness: Witness, unchecked: Callable[[], Unready | None] = lambda: None
    ) -> None:
        self._witness = witness
        self._unchecked = unchecked
        self._told: Unready | None = None
        self._told_at_s = float("-inf")
        self._asking = asyncio.Lock()

    async def problem(self) -> Unready | None:
        """Why nothing can be sold; None while all is well."""
        async with self._asking:
            unchecked = self._unchecked()
            if unchecked is not None:
                return unchecked
            if time.monotonic() - self._told_at_s > REMEMBER_S:
                self._told = await self._ask()
                self._told_at_s = time.monotonic()
            return self._told

    async def _ask(self) -> Unready | None:
        try:
            proof = await self._witness.prove(PROVE_S)
        except RowLocked:
            return Unready("locked", "Somebody holds the tables of the events")
        except AnswerLost as fault:
            return Unready("not committing", f"The database commits nothing: {fault}")
        except Fault as fault:
            if isinstance(fault.__cause__, asyncpg.InsufficientPrivilegeError):
                return Unready("not permitted", f"The service's role lacks privileges: {fault}")
            return Unready("unreachable", "The database does not answer")
        return worth(proof)


def worth(proof: Proof) -> Unready | None:
    """Why what is committed there may be lost, or cannot be kept; None where it is safe."""
    if proof.encoding != ENCODING:
        message = f"The database keeps text as {proof.encoding}, not {ENCODING}"
        return Unready(f"not {ENCODING}", message)
    if not proof.flushes or proof.synchronous_commit == "off":
        return Unready("not durable", "The database does not keep what it commits")
    if proof.replicated and proof.synchronous_commit not in _WAITS_FOR_STANDBY:
        message = (
            "Synchronous standbys are named, and commits do not wait for them: "
            f"synchronous_commit is {proof.synchronous_commit}"
        )
        return Unready("not durable", message)
    return None
