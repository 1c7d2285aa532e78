#!/usr/bin/python
# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_info
short_description: What a host's Datadog Agent is, sends and listens on
version_added: 0.1.0
description:
  - Reads the settings of the Datadog Agent on a host, and what release it is, and returns what they mean for the
    traffic of the host.
  - The files are fetched with the platform's own module and read on the controller. Secrets in them (API keys, the
    proxy's user and password) are in no result, and are neither printed at any verbosity nor logged on the host.
  - Variables of the services' environment (C(DD_*)) win over the files, as they do for the Agent. On Linux these are
    those of the systemd units, with drop-ins and files that the units name, or what C(/etc/default/datadog-agent)
    exports where there is no systemd; on Windows those of the services' registry keys.
  - Where no Agent is installed, nothing is read unless O(path) says what. A file that one left behind is nobody's.
  - What an integration is told in C(conf.d), such as Database Monitoring or devices to poll by SNMP, is not read.
author:
  - netwall.datadog authors (!UNKNOWN)
options:
  path:
    description:
      - The Agent's own file of settings on the host. If its name ends with C(.conf), it is one of Agent 5.
      - C(system-probe.yaml) beside it is read, too.
      - Without it, it is where the platform has it (C(/etc/datadog-agent/datadog.yaml), or C(datadog.yaml) in the
        folder that the installer for Windows was told, by default C(C:\ProgramData\Datadog)); if there is none, that of
        Agent 5 (C(/etc/dd-agent/datadog.conf), C(C:\ProgramData\Datadog\datadog.conf)).
    type: path
attributes:
  check_mode:
    description: It changes nothing.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  platform:
    description: Windows needs the collection C(ansible.windows) on the controller.
    support: full
    platforms: posix, windows
notes:
  - A file that is broken, or a setting that has a value of another type, fails the task with the file, the line and the
    setting. The value is not shown.
  - On most hosts only root and the Agent itself may read its settings, so that it needs C(become).
seealso:
  - plugin: netwall.datadog.traffic_policy
    plugin_type: lookup
  - name: Agent Configuration Files
    description: Datadog's own list of where the files are.
    link: https://docs.datadoghq.com/agent/configuration/agent-configuration-files/
"""

EXAMPLES = r"""
- name: Read what the Agent of this host is told
  netwall.datadog.agent_info:
  become: true
  register: agent

- name: Show what it sends, and to which site
  ansible.builtin.debug:
    msg: "{{ agent.version }} sends {{ agent.products | join(', ') }} to {{ agent.site or 'datadoghq.com' }}"
  when: agent.installed

- name: Stop where logs do not go over HTTPS alone
  ansible.builtin.assert:
    that: agent.logs_transport == 'http'
    fail_msg: "Logs: {{ agent.logs_transport or 'whatever the Agent finds to work' }}."
  when: "'logs' in (agent.products or [])"

- name: Show which settings are not the Agent's own, and where they are set
  ansible.builtin.debug:
    var: agent.sources

- name: Read a file that lies elsewhere
  netwall.datadog.agent_info:
    path: /srv/agent/datadog.yaml
  become: true
  register: other
"""

RETURN = r"""
installed:
  description: Whether an Agent is installed. Where it is not, settings are told of O(path) alone, and no RV(products).
  type: bool
  returned: success
  sample: true
version:
  description: The release that is installed; null if nothing tells it.
  type: str
  returned: success
  sample: 7.60.0
version_source:
  description: What told the release. V(package) (dpkg or rpm), V(registry), or V(binary), the Agent's own program.
  type: str
  returned: success
  sample: package
path:
  description: The file of settings that was read; null if there is none.
  type: str
  returned: success
  sample: /etc/datadog-agent/datadog.yaml
service:
  description: The name of the Agent's service.
  type: str
  returned: success
  sample: datadog-agent
owner:
  description: The C(user) and C(group) whose the file is; null on Windows, or if there is no file.
  type: dict
  returned: success
  sample: {user: dd-agent, group: dd-agent}
site:
  description: The site that is set, or that C(dd_url) is of; null if nothing says it.
  type: str
  returned: success
  sample: datadoghq.eu
products:
  description:
    - What this Agent sends, in the names that P(netwall.datadog.traffic_policy#lookup) takes. What its release does as
      shipped, with what is switched on and without what is switched off.
    - Null if no Agent is installed.
  type: list
  elements: str
  returned: success
  sample: [metrics, key-check, flare, apm, processes, containers, logs, remote-configuration, ntp]
logs_transport:
  description: V(http) or V(tcp), if the settings decide it; null if it is left to the Agent.
  type: str
  returned: success
  sample: http
ports:
  description:
    - Local ports that the settings move, open on request or switch off (V(0) or V(-1)), by the names that
      P(netwall.datadog.traffic_policy#lookup) takes.
  type: dict
  returned: success
  sample: {dogstatsd: 8225, otlp-grpc: 4317}
non_local_traffic:
  description: The names of the local ports that the settings open to other hosts, each with V(true).
  type: dict
  returned: success
  sample: {dogstatsd: true}
proxy:
  description: The URL of the proxy for HTTPS, without user and password; null if there is none.
  type: str
  returned: success
  sample: http://proxy.example.com:3128
no_proxy:
  description:
    - What is reached without the proxy. A name means itself; a name with a dot before it means all names below it.
      Addresses and CIDRs are as they are set, and V(*) means everything.
  type: list
  elements: str
  returned: success
  sample: [intake.example.com, .internal.example.com]
endpoints:
  description:
    - Where data of a C(product) goes, to C(host) and C(port), instead of where its site has it go; or beside that, if
      it C(is_additional). Where it takes the place of one of several destinations of the product, C(replaces) is the
      documented name of that, without the site.
  type: list
  elements: dict
  returned: success
  sample:
    - {product: metrics, host: app.datadoghq.com, port: 443, is_additional: true}
buffering:
  description:
    - What is set of the Agent's buffers, each null if it is not set. C(memory_bytes), C(disk_bytes), C(storage_path),
      C(disk_ratio) and C(outdated_days).
    - C(usual_path) is where it stores if C(storage_path) is not set. C(run_path) moves it, and on Windows what the
      installer was told; null for Agent 5.
  type: dict
  returned: success
  sample:
    memory_bytes: null
    disk_bytes: 2147483648
    storage_path: null
    disk_ratio: 0.8
    outdated_days: null
    usual_path: /opt/datadog-agent/run/transactions_to_retry
sources:
  description:
    - Where each of the above from RV(site) to RV(buffering) was found that is not null or empty. The name of a file, or
      of a variable and its service, or V(as shipped) for what the release does by itself.
    - For RV(buffering) it is a dictionary that has this for each that is set.
  type: dict
  returned: success
  sample:
    site: datadog.yaml
    products: as shipped, DD_LOGS_ENABLED of the service datadog-agent
    buffering: {disk_bytes: datadog.yaml}
"""
