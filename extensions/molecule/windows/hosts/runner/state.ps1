# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What a Windows host is, in the form of tests/windows/state.py: rules as the COM object INetFwRule tells them, profiles,
# networks, and what netwall.datadog keeps in the registry. It changes nothing.
$properties = 'Name', 'Description', 'ApplicationName', 'ServiceName', 'Protocol', 'LocalPorts', 'RemotePorts',
    'LocalAddresses', 'RemoteAddresses', 'IcmpTypesAndCodes', 'Direction', 'InterfaceTypes', 'Enabled', 'Grouping',
    'Profiles', 'EdgeTraversalOptions', 'Action', 'SecureFlags'
$rules = foreach ($rule in (New-Object -ComObject HNetCfg.FwPolicy2).Rules) {
    $said = @{}
    foreach ($property in $properties) { $said[$property] = $rule.$property }
    $said
}

$profiles = @{}
foreach ($one in Get-NetFirewallProfile) {
    $profiles[$one.Name] = @{
        Enabled = [int]$one.Enabled
        DefaultInboundAction = [string]$one.DefaultInboundAction
        DefaultOutboundAction = [string]$one.DefaultOutboundAction
    }
}

$kinds = @{ DomainAuthenticated = 'Domain'; Private = 'Private'; Public = 'Public' }
$connection = Get-NetConnectionProfile | Select-Object -First 1
$network = @{
    # A network that Windows does not know is a public one.
    profile = if ($connection) { $kinds[[string]$connection.NetworkCategory] } else { 'Public' }
    LocalSubnet = @(Get-NetIPAddress | ForEach-Object { "$(($_.IPAddress -split '%')[0])/$($_.PrefixLength)" })
    DNS = @((Get-DnsClientServerAddress).ServerAddresses | Select-Object -Unique)
    DHCP = @()
    WINS = @()
    DefaultGateway = @((Get-NetRoute -DestinationPrefix '0.0.0.0/0', '::/0' -ErrorAction SilentlyContinue).NextHop)
    names = @{}
}

$registry = @{}
if (Test-Path 'HKLM:\SOFTWARE\netwall.datadog') {
    $values = @{}
    $key = Get-Item 'HKLM:\SOFTWARE\netwall.datadog'
    foreach ($name in $key.Property) { $values[$name] = @{ type = [string]$key.GetValueKind($name); data = $key.GetValue($name) } }
    $registry['HKLM:\SOFTWARE\NETWALL.DATADOG'] = @{ path = 'HKLM:\SOFTWARE\netwall.datadog'; values = $values }
}

$state = @{ rules = @($rules); profiles = $profiles; network = $network; registry = $registry }
$Ansible.Changed = $false
$Ansible.Result = @{ json = ConvertTo-Json -InputObject $state -Depth 6 -Compress }
