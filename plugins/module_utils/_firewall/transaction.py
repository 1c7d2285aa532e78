# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""All or nothing, whatever the firewall: take the lock, keep the way back, apply, look again, commit or confirm.

There is one way back, :meth:`Backend.restore`, and four who may take it: the run itself when a step fails, a process
that watches when the run dies or nobody confirms in time, the next boot, and the next run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import time
import typing as t
import uuid

from ansible_collections.netwall.datadog.plugins.module_utils._firewall import watchdog
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import FirewallError, Outcome
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.journal import (
    Journal,
    Pending,
    as_json,
    boot_id,
    now,
    this_process,
)
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.system import one_run_at_a_time
from ansible_collections.netwall.datadog.plugins.module_utils._firewall.way_back import close, take_back

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.backend import Backend, Plan, Request
    from ansible_collections.netwall.datadog.plugins.module_utils._firewall.session import Session

_TIMEOUT = 60.0
_TAKEN_BACK = "Nobody confirmed the change in time, so the host has taken it back: the old rules stand."
# How long after its deadline a change that nobody confirmed may take to be taken back.
_GRACE = 15.0
_POLL = 0.2


class Transaction:
    """The steps of one run; used as a context manager, which takes all of them back if one fails.

    ``id`` is empty as long as nothing was changed.
    """

    def __init__(self, journal: Journal, backend: str, session: Session | None) -> None:
        self.id = ""
        self._journal = journal
        self._backend = backend
        self._session = session
        self._step = "Getting ready"
        self._pending: Pending | None = None

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if not self._pending:
            if isinstance(error, Exception) and not isinstance(error, FirewallError):
                raise FirewallError(f"{self._step} failed: {_clause(error)}; nothing was changed.") from error
            return
        end = "the old rules are back"
        try:
            take_back(self._journal, self._pending)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the first error has to be told
            end = f"and going back failed too: {_clause(failure)}; that is being tried again on the host"
        if isinstance(error, Exception):
            raise FirewallError(f"{self._step} failed: {_clause(error)}; {end}.") from error

    def step(self, name: str) -> None:
        """Say what comes next, as "Writing …"."""
        self._step = name

    def begin(self, snapshot: t.Mapping[str, t.Any]) -> None:
        """Keep the way back, before the first step; does nothing at the second call.

        Raises :class:`FirewallError` or ``OSError`` where it can't be kept.
        """
        if self._pending:
            return
        change, maker = uuid.uuid4().hex, this_process()
        pending = Pending(
            id=change,
            backend=self._backend,
            snapshot=snapshot,
            state=self._journal.state(),
            boot=boot_id(),
            session=as_json(self._session),
        )
        self._journal.make_folder()
        try:
            watchdog.arm(change, maker)
            self._journal.open(pending)
        except BaseException:
            close(self._journal)
            raise
        self._pending, self.id = pending, change

    def finish(self, state: t.Mapping[str, t.Any], confirm_within: int) -> None:
        """All is as asked: commit, or wait *confirm_within* seconds (if not 0) for :func:`confirm`."""
        if not self._pending:
            if state != self._journal.state():
                self._journal.save_state(state)
            # A removal that lost its power may have left empty folders.
            self._journal.tidy()
            return
        self.step("Making the change final")
        new_state = {**state, "transaction": self.id} if state else {}
        if not confirm_within:
            _commit(self._journal, new_state)
            return
        self.step("Waiting to be confirmed")
        self._journal.open(dataclasses.replace(self._pending, new_state=new_state, deadline=now() + confirm_within))


@dataclasses.dataclass(frozen=True)
class Applied:
    """What a run did, and the id of its transaction, empty where nothing had to be changed."""

    outcome: Outcome
    id: str = ""


def reconcile(backend: Backend, request: Request, document: t.Mapping[str, t.Any], confirm_within: int) -> Applied:
    """Bring the firewall *backend* to *request*, all of it or nothing; raises :class:`FirewallError`.

    *document* says where the flows come from, and is kept with them. With *confirm_within* (seconds) a change is taken
    back unless :func:`confirm` is called in time with the id that is returned.
    """
    journal = Journal()
    with _turn(journal), Transaction(journal, backend.name, request.session) as transaction:
        state = journal.state()
        first, last = _repeat(backend, request, _record(state, backend), transaction)
        transaction.finish(_state(backend.name, request, last.record, document, state), confirm_within)
    return Applied(first.outcome, transaction.id)


def predict(backend: Backend, request: Request) -> Plan:
    """What :func:`reconcile` would do, as far as can be told without taking the lock; raises :class:`FirewallError`."""
    return backend.plan(request, _record(Journal().state(), backend))


def forget() -> bool:
    """Drop what was kept of a firewall that is no longer on this host; says whether there was anything.

    Raises :class:`FirewallError` or ``OSError``.
    """
    journal = Journal()
    with _turn(journal):
        state = journal.state()
        journal.save_state({})
    return bool(state)


def confirm(change: str, is_removal: bool, session: Session | None) -> None:
    """Make the change with the id *change* final; *session* is the connection over which that is asked.

    Asking again, because the answer got lost, is no error. Raises :class:`FirewallError` if it came too late, or over
    no connection that shows that the host can be reached.
    """
    journal = Journal()
    with one_run_at_a_time(_TIMEOUT):
        pending = journal.pending()
        if not pending or pending.id != change:
            state = journal.state()
            if state.get("transaction") != change and (state or not is_removal):
                raise FirewallError(_TAKEN_BACK)
            return
        if pending.seconds_left <= 0:
            # Who watches would do it in a moment; then what is said is true already.
            _take_back_of_others(journal, pending)
            raise FirewallError(_TAKEN_BACK)
        if not session or as_json(session) == pending.session:
            raise FirewallError(
                "The change was to be confirmed over a new connection, but that was not to be seen on the host, so it "
                "is taken back by itself."
            )
        try:
            _commit(journal, pending.new_state)
        except OSError as error:
            raise FirewallError(
                f"The change can't be kept: {_clause(error)}; the host takes it back by itself."
            ) from error


def _record(state: t.Mapping[str, t.Any], backend: Backend) -> t.Mapping[str, t.Any]:
    """What the last run of *backend* left; a record of another one says nothing here."""
    record: t.Mapping[str, t.Any] = state.get("record", {}) if state.get("backend") == backend.name else {}
    return record


def _clause(error: BaseException) -> str:
    """What *error* says, as a part of a sentence."""
    said = str(error).rstrip(".")
    if isinstance(error, FirewallError):
        return said
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _take_back_of_others(journal: Journal, pending: Pending) -> None:
    """Take back what an earlier run left; raises :class:`FirewallError`."""
    try:
        take_back(journal, pending)
    except Exception as error:
        raise FirewallError(
            f"Taking back what an earlier run left failed: {_clause(error)}; nothing else can be done before that is "
            "mended."
        ) from error


def _commit(journal: Journal, state: t.Mapping[str, t.Any]) -> None:
    journal.save_state(state)
    close(journal)


@contextlib.contextmanager
def _turn(journal: Journal) -> t.Iterator[None]:
    """Have the host to ourselves, with nothing pending on it: what a dead run left is taken back first.

    Raises :class:`FirewallError`.
    """
    deadline = time.monotonic() + _TIMEOUT
    while True:
        with one_run_at_a_time(max(0.0, deadline - time.monotonic())):
            pending = journal.pending()
            if not pending or not (pending.is_applied and watchdog.is_watched(pending.id)):
                if pending:
                    _take_back_of_others(journal, pending)
                elif watchdog.is_armed():
                    # The power went between a commit and the cleaning up.
                    close(journal)
                yield
                return
            # Somebody else's change, which will be confirmed or taken back.
            deadline = max(deadline, time.monotonic() + pending.seconds_left + _GRACE)
        if time.monotonic() > deadline:
            raise FirewallError("A change that nobody confirmed is still there after its time; try again later.")
        time.sleep(_POLL)


def _repeat(
    backend: Backend, request: Request, record: t.Mapping[str, t.Any], transaction: Transaction
) -> tuple[Plan, Plan]:
    """Change until a look finds nothing to change; the first plan, which tells what was done, and the last."""
    first: Plan | None = None
    deadline = time.monotonic() + _TIMEOUT
    while True:
        with backend.exclusive():
            plan = backend.plan(request, record)
            if not plan.outcome.changed:
                return first or plan, plan
            if first and time.monotonic() > deadline:
                raise FirewallError(
                    f"something keeps changing the firewall: for {_TIMEOUT:g} seconds our rules have not stayed; "
                    "find it, and run this again"
                )
            transaction.begin(plan.snapshot)
            plan.apply(transaction.step)
            transaction.step("Looking whether the rules are as asked")
        first, record = first or plan, plan.record


def _state(
    backend: str,
    request: Request,
    record: t.Mapping[str, t.Any],
    document: t.Mapping[str, t.Any],
    before: t.Mapping[str, t.Any],
) -> t.Mapping[str, t.Any]:
    """What is to be kept after a run; what was kept *before*, unless there is something new."""
    if request.state == "absent":
        return {}
    state = {
        "backend": backend,
        "record": record,
        "flows": [flow.to_dict() for flow in request.flows],
        "document": dict(document),
    }
    if all(before.get(key) == value for key, value in state.items()):
        return before
    time_now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return {**before, **state, "time": time_now}
