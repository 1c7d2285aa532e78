# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This script is private to the netwall.datadog collection: names.py has ansible.windows.win_powershell run it.
#
# The addresses of each of $Names, in one text, so that no list of lists has to come through PowerShell. What the
# resolver says no to has none; whatever else goes wrong fails the module.
param([string[]] $Names)

$found = foreach ($name in $Names) {
    try { [System.Net.Dns]::GetHostAddresses($name).IPAddressToString -join ' ' }
    catch [System.Net.Sockets.SocketException] { '' }
}
$Ansible.Changed = $false
$Ansible.Result = @{ addresses = @($found) }
