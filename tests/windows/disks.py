# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""community.windows.win_disk_facts."""

from __future__ import annotations

import typing as t

from ansible_collections.netwall.datadog.tests.windows.failures import MisuseError
from ansible_collections.netwall.datadog.tests.windows.real import imitates

if t.TYPE_CHECKING:
    from ansible_collections.netwall.datadog.tests.windows.state import State
    from ansible_collections.netwall.datadog.tests.windows.twin import Call

FACTS = "community.windows.win_disk_facts"


@imitates(
    FACTS,
    (40, "$module.Result.ansible_facts = @{ ansible_disks = @() }"),
    (223, "drive_letter = $part.DriveLetter"),
    (229, "access_paths = $part.AccessPaths"),
    (239, 'if ("volumes" -in $module.Params.filter) {'),
    (245, "size = $vol.Size"),
    (246, "size_remaining = $vol.SizeRemaining"),
    (273, "$module.Result.ansible_facts.ansible_disks += $disk_info"),
)
def win_disk_facts(state: State, call: Call) -> dict[str, t.Any]:
    """The module for the volumes of the disks of the twin: one partition on each disk, with one volume."""
    if call.args["filter"] != ["volumes"]:
        raise MisuseError("the twin imitates win_disk_facts for volumes alone")
    disks = [
        {
            "number": number,
            "size": disk["size"],
            "partitions": [
                {
                    "number": 1,
                    "size": disk["size"],
                    "drive_letter": path[0].upper() if len(path) == 2 else None,
                    "access_paths": [f"{path.upper()}\\", f"\\\\?\\Volume{{{number}}}\\"],
                    "volumes": [{"size": disk["size"], "size_remaining": disk["free"], "type": "NTFS"}],
                }
            ],
        }
        for number, (path, disk) in enumerate(state.disks.items())
    ]
    return {"changed": False, "ansible_facts": {"ansible_disks": disks}}
