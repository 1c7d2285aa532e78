# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module is private to the netwall.datadog collection.

"""What can go wrong with a YAML file and what is asked of it; every text is a sentence for the user."""

from __future__ import annotations


class AgentYamlError(Exception):
    """The file can't be read, or can't be edited as asked. The text never repeats a value, which may be secret."""
