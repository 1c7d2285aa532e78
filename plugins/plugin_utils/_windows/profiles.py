# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""The profiles of Windows Firewall: which are on, what they do with outgoing traffic, and what has to be done to them.

ansible.windows.win_firewall never tells a profile's default outbound action. In check mode it tells whether something
would change, so asking for an action answers whether it is the one. It can't say a profile's action without switching
the profile on, either, so those that are off are left alone unless they are to be switched on.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.record import Profile
from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.rules import PROFILES

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._windows.modules import Probe, WindowsModules

# By what default_outbound asks for: the action that is set, and the order in which actions are asked for. What is not
# configured is allowed, which is how Windows comes; it is set nevertheless, because then one question answers for all
# profiles whether anything has to be done.
_SETS = {"deny": "block", "allow": "allow"}
_ORDER = {
    "deny": ("block", "not_configured", "allow"),
    "allow": ("allow", "not_configured", "block"),
    "unmanaged": ("block", "allow", "not_configured"),
}


@dataclasses.dataclass(frozen=True)
class ProfilePlan:
    """What has to be done to profiles.

    ``restores``: by the action to go back to, the profiles; done before rules go. ``sets``: those that get ``action``
    once all rules stand. ``record``: what is kept of each profile from before the first step on, ``after`` from after
    the last one on. ``stuck``: those that are off, so that what we made of them can't be put back.
    """

    restores: t.Mapping[str, tuple[str, ...]]
    sets: tuple[str, ...]
    action: str
    record: t.Mapping[str, Profile]
    after: t.Mapping[str, Profile]
    stuck: tuple[str, ...]
    actions: t.Mapping[str, str]


class Profiles:
    """The profiles of one host.

    *kept* is what is recorded of them, *default_outbound* the option; *is_lost* says that what they were before us is
    known no more.
    """

    def __init__(
        self, modules: WindowsModules, kept: t.Mapping[str, Profile], default_outbound: str, *, is_lost: bool
    ) -> None:
        self._modules = modules
        self._kept = kept
        self._option = default_outbound
        self._is_lost = is_lost
        self._actions: dict[str, str] = {}
        self._misses: set[tuple[frozenset[str], str]] = set()
        self.is_on = self._look()

    @property
    def on(self) -> tuple[str, ...]:
        return tuple(profile for profile in PROFILES if self.is_on[profile])

    @property
    def off(self) -> tuple[str, ...]:
        return tuple(profile for profile in PROFILES if not self.is_on[profile])

    def plan(self) -> ProfilePlan:
        """What has to be done to the profiles that are on now."""
        return self._plan_back() if self._option == "unmanaged" else self._plan_default()

    def switched_on(self, profiles: t.Iterable[str]) -> None:
        """Take note that *profiles* are on now."""
        self.is_on.update(dict.fromkeys(profiles, True))

    def _plan_default(self) -> ProfilePlan:
        action = _SETS[self._option]
        actions = self._find(self.on)
        sets = tuple(profile for profile in self.on if actions[profile] != action)
        record, after = dict(self._kept), dict(self._kept)
        for profile in self.on:
            kept = self._kept.get(profile, Profile())
            before = kept.before or actions[profile]
            if self._is_lost and before == "block" and not kept.before:
                # It is ours, also where another one is asked for now.
                before = "not_configured"
            made = tuple(dict.fromkeys((*kept.made, action)))
            record[profile] = dataclasses.replace(kept, before=before, made=made)
            after[profile] = dataclasses.replace(kept, before=before, made=(action,))
        return ProfilePlan({}, sets, action, record, after, (), actions)

    def _plan_back(self) -> ProfilePlan:
        kept = {name: it for name, it in self._kept.items() if it.made}
        if self._is_lost:
            lost = Profile("not_configured", ("block",))
            kept.update({name: lost for name in self.on if not kept.get(name)})
        changed = {name for name, it in kept.items() if it.made != (it.before,)}
        actions = self._find(tuple(name for name in self.on if name in changed))
        restores: dict[str, tuple[str, ...]] = {}
        for name in self.on:
            it = kept.get(name)
            # Another action is somebody else's.
            if it and it.before and name in changed and actions[name] != it.before and actions[name] in it.made:
                restores[it.before] = (*restores.get(it.before, ()), name)
        stuck = tuple(name for name in self.off if name in changed)
        after = {
            name: it if name in stuck else dataclasses.replace(it, before=None, made=())
            for name, it in self._kept.items()
        }
        return ProfilePlan(restores, (), "", {**self._kept, **kept}, after, stuck, actions)

    def _look(self) -> dict[str, bool]:
        """Which profiles are on. It is asked together with the action that they most likely have."""
        wanted = _SETS.get(self._option)
        made = {
            name: it.made[-1] for name, it in self._kept.items() if it.made and it.made[-1] == (wanted or it.made[-1])
        }
        action: str | None = next(iter(made.values()), None)
        profiles = tuple(name for name in PROFILES if made.get(name) == action) if action else PROFILES
        told = self._ask(profiles, action or wanted)
        states = dict(told.is_on)
        for name in PROFILES:
            if name not in states:
                # Of a profile that is not asked for, the module tells how it is.
                other = next(profile for profile in PROFILES if profile != name)
                states[name] = self._modules.probe([other]).is_on.get(name, False)
        return states

    def _find(self, profiles: tuple[str, ...]) -> dict[str, str]:
        """The actions of *profiles*, which are on; all at once where they have the same."""
        order = _ORDER[self._option]
        left = tuple(name for name in profiles if name not in self._actions)
        for action in order if len(left) > 1 else ():
            if self._fits(left, action):
                break
        for name in left:
            # The last one that is left needs no asking.
            for action in order[:-1]:
                if name in self._actions or self._fits((name,), action):
                    break
            else:
                self._actions[name] = order[-1]
        return {name: self._actions[name] for name in profiles}

    def _fits(self, profiles: tuple[str, ...], action: str) -> bool:
        return (frozenset(profiles), action) not in self._misses and self._ask(profiles, action).fits

    def _ask(self, profiles: t.Sequence[str], action: str | None) -> Probe:
        told = self._modules.probe(profiles, action)
        if action and told.fits:
            self._actions.update(dict.fromkeys(profiles, action))
        elif action:
            self._misses.add((frozenset(profiles), action))
        return told
