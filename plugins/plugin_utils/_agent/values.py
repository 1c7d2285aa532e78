# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What is set: in the environment of a service, which wins, or in a file. No error here quotes a value.

How the Agent reads a variable is from docs.datadoghq.com, "Agent Environment Variables": ``DD_`` and the setting's
names in capitals, lists separated by spaces (by commas where the setting says so), JSON for what is nested.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing as t

from ansible_collections.netwall.datadog.plugins.plugin_utils._agent import numbers
from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.host import CORE

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.plugins.plugin_utils._agent.document import Document

_TRUE = {"1", "t", "true", "y", "yes", "on"}
_FALSE = {"0", "f", "false", "n", "no", "off"}

# A value that the Agent asks a program of the user's for: what is between the brackets is only its name there.
_HANDLE = re.compile(r"ENC\[[^]]*\]")


class SettingError(Exception):
    """A setting has a value of another kind; the text is a sentence for the user that does not tell the value."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting: its names from the outside in, with dots.

    ``variables``: of the environment, the first one wins (none: the usual one). ``program``: which of the Agent's
    programs reads it. ``file``: the base name of the file that it is in, if not the Agent's own.
    """

    name: str
    variables: tuple[str, ...] = ()
    program: str = CORE
    file: str = ""

    @property
    def names_of_variables(self) -> tuple[str, ...]:
        """The variables of the environment that set it."""
        return self.variables or (f"DD_{self.name.upper().replace('.', '_')}",)


@dataclasses.dataclass(frozen=True)
class Value:
    """Something that is set. ``source`` says where, for a person; ``where`` says it in an error.

    ``text``: as it is written. A site that is called "no" is no boolean.
    """

    value: t.Any
    source: str
    where: str
    text: str = ""
    is_variable: bool = False

    def error(self, setting: Setting, what: str) -> SettingError:
        """The error of a value that is not *what*."""
        if self.is_variable:
            return SettingError(f"{self.where} is not {what}.")
        return SettingError(f"{self.where}, the setting {setting.name} is not {what}.")


class Settings:
    """All that is set on a host; whatever is asked for is None if it is not set.

    *documents*: the files, the Agent's own first. *environments*: by program; *services*: their names.
    Every method raises :class:`SettingError` for a value of another kind. Handles of a secret backend count as not
    set; ``handles`` collects the names of their settings.
    """

    def __init__(
        self,
        documents: t.Sequence[Document],
        environments: t.Mapping[str, t.Mapping[str, str]],
        services: t.Mapping[str, str],
    ) -> None:
        self.documents = documents
        self.environments = environments
        self.services = services
        self.handles: list[str] = []

    def variable(self, name: str, program: str = CORE) -> Value | None:
        """The variable *name* of the environment, even an empty one."""
        reader = program if program in self.environments else CORE
        text = self.environments.get(reader, {}).get(name)
        if text is None:
            return None
        service = self.services[reader]
        return Value(
            text,
            f"{name} of the service {service}",
            f"The variable {name} of the service {service}",
            text=text,
            is_variable=True,
        )

    def is_there(self, setting: Setting) -> Value | None:
        """The setting, even where it has no value: some do by being there. What it is set to is not asked."""
        return self._in_files(setting)

    def text(self, setting: Setting) -> Value | None:
        """A single text. A number is one."""
        found = self._plain(setting)
        if found is None:
            return None
        if isinstance(found.value, (list, dict)):
            raise found.error(setting, "a text")
        return dataclasses.replace(found, value=found.text.strip())

    def flag(self, setting: Setting) -> Value | None:
        """Yes or no."""
        found = self._plain(setting)
        if found is None or isinstance(found.value, bool):
            return found
        text = str(found.value).strip().lower()
        if text not in _TRUE | _FALSE:
            raise found.error(setting, "true or false")
        return dataclasses.replace(found, value=text in _TRUE)

    def whole(self, setting: Setting) -> Value | None:
        """A whole number."""
        found = self._plain(setting)
        if found is None:
            return None
        number = numbers.whole(found.value)
        if number is None:
            raise found.error(setting, "a whole number")
        return dataclasses.replace(found, value=number)

    def number(self, setting: Setting) -> Value | None:
        """A number."""
        found = self._plain(setting)
        if found is None:
            return None
        try:
            number = math.nan if isinstance(found.value, bool) else float(str(found.value))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise found.error(setting, "a number")
        return dataclasses.replace(found, value=number)

    def port(self, setting: Setting) -> Value | None:
        """A port; 0 or -1 mean that there is none."""
        found = self.whole(setting)
        if found is not None and not -1 <= found.value <= 65535:
            raise found.error(setting, "a port")
        return found

    def texts(self, setting: Setting) -> Value | None:
        """A list of texts; in a variable they stand between spaces or commas, or in JSON."""
        found = self._nested(setting, [])
        if found is None:
            return None
        value = found.value
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        if not isinstance(value, list) or any(isinstance(each, (list, dict)) for each in value):
            raise found.error(setting, "a list of texts")
        return dataclasses.replace(found, value=[str(each) for each in value if each is not None])

    def items(self, setting: Setting) -> Value | None:
        """A list of dictionaries."""
        found = self._nested(setting, [])
        if found is None:
            return None
        if not isinstance(found.value, list) or not all(isinstance(each, dict) for each in found.value):
            raise found.error(setting, "a list of mappings")
        return found

    def mapping(self, setting: Setting) -> Value | None:
        """A dictionary."""
        found = self._nested(setting, {})
        if found is not None and not isinstance(found.value, dict):
            raise found.error(setting, "a mapping")
        return found

    def _nested(self, setting: Setting, empty: t.Any) -> Value | None:
        """A value that is JSON where it is a variable."""
        found = self._plain(setting)
        if found is None or not isinstance(found.value, str):
            return found
        text = found.value.strip()
        if text[:1] in ("[", "{"):
            try:
                return dataclasses.replace(found, value=json.loads(text))
            except (ValueError, RecursionError):
                # Its own message quotes the text.
                pass
            raise found.error(setting, "JSON")
        return found if text else dataclasses.replace(found, value=empty)

    def _plain(self, setting: Setting) -> Value | None:
        """What is set and has a value that can be known here."""
        variables = (self.variable(name, setting.program) for name in setting.names_of_variables)
        found = next((each for each in variables if each is not None and each.value != ""), None)
        if found is None:
            found = self._in_files(setting)
        if found is None or found.value is None or found.value == "":
            return None
        if isinstance(found.value, str) and _HANDLE.fullmatch(found.value.strip()):
            if setting.name not in self.handles:
                self.handles.append(setting.name)
            return None
        return found

    def _in_files(self, setting: Setting) -> Value | None:
        own = [document for document in self.documents if base_name(document.path) == setting.file]
        for document in (*own, *self.documents[:1]):
            found = document.find(setting.name)
            if found is not None:
                where = f"In the file {document.path}, line {found.line}"
                return Value(found.value, base_name(document.path), where, text=found.text)
        return None


def base_name(path: str) -> str:
    """The last part of a path of any platform."""
    return re.split(r"[/\\]", path)[-1]
