# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's stand-in for the Datadog Agent, as it is installed on a host: what it has in common with the real one.

It is a program of the host: Python 3.11 and later, the standard library and the PyYAML that its package brings along.
"""
