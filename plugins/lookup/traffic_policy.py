# Copyright (c) 2026, the netwall.datadog authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup: the least traffic that a Datadog Agent needs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: traffic_policy
short_description: The least traffic that a Datadog Agent needs
version_added: 0.1.0
author:
  - the netwall.datadog authors (!UNKNOWN)
description:
  - Works out what one Agent sends where, from what Datadog documents and from the address ranges that it publishes, and
    which of the Agent's own ports are to be closed to other hosts.
  - The result is what M(netwall.datadog.host_firewall) takes, with a reason for every flow and a warning for everything
    that cannot be allowed by address or that Datadog's documentation leaves in doubt.
  - The address ranges are read only where a flow needs them. An Agent behind a proxy often needs none.
extends_documentation_fragment:
  - netwall.datadog.ip_ranges
  - netwall.datadog.ip_ranges.lookup
options:
  agent_version:
    description:
      - The version of the Agent, from 4 to 7, as V(7.60.0) or as a package has it (V(1:7.60.0-1)). Quote it, lest YAML
        take V(7.60) for a number.
      - A part that is missing counts as the newest, so that V(7) is the newest Agent 7; that is also what counts when
        this option is not set.
      - The names of some intakes hold the version. Unless all three parts of it are given, the wildcard
        V(*.agent.<site>) stands for them.
    type: str
  products:
    description:
      - What the Agent is to do.
      - Products are V(metrics), V(key-check), V(flare), V(apm), V(llm-observability), V(profiling), V(processes),
        V(containers), V(network-monitoring), V(universal-service-monitoring), V(orchestrator), V(container-images),
        V(sbom), V(logs), V(logs-hipaa), V(network-devices), V(network-path), V(database-monitoring),
        V(remote-configuration), V(remote-configuration-test), V(end-user-devices), V(rum), V(rum-older),
        V(synthetics-private-location), V(ntp), V(kubelet), V(autoscaling) and V(snmp); V(_) does for V(-).
      - When not set, what an Agent of this version sends with its settings as shipped.
      - What the Agent's version or the site does not have is left out with a warning.
    type: list
    elements: str
  logs_transport:
    description:
      - How the Agent sends logs, V(http) or V(tcp).
      - When not set, as an Agent of this version does by itself (V(http) from 6.19.0 and 7.19.0 on, V(tcp) before).
    type: str
  proxy:
    description:
      - The URL of the proxy in the Agent's settings, with the scheme V(http), V(https) or V(socks5). It is not used to
        read the address ranges.
      - One flow to the proxy then takes the place of all flows over HTTPS. NTP, the kubelet, SNMP and logs over TCP go
        past it.
      - A user and password in the URL are shown nowhere.
    type: str
  ip_ranges_proxy:
    description:
      - The URL of a proxy to fetch the address ranges through, with the scheme V(http), V(https) or V(socks5), instead
        of those in the environment. It is used for every server, whatever E(NO_PROXY) says.
      - A user and password in the URL are shown nowhere.
    type: str
  proxy_networks:
    description:
      - The networks in which the proxy is. Required where O(proxy) gives it by name, since a firewall goes by address.
    type: list
    elements: str
  no_proxy:
    description:
      - Hosts that the Agent asks past O(proxy). A name stands for itself, V(.example.com) for what is below it, an
        address or a CIDR for hosts that are given by address, V(*) for everything; a port may follow behind a colon.
    type: list
    elements: str
  endpoints:
    description:
      - Where the data of a product goes instead of, or beside, its documented destination, as C(dd_url), the other
        settings that end in C(dd_url) and C(additional_endpoints) in the Agent's settings say.
      - Each is a dictionary. C(product) is a name as in O(products). C(host) is a name, an address or a URL. C(port) is
        the TCP port; when not set, that of the URL or of the documentation, or V(443). With C(is_additional) the
        documented destination stays open as well. Of a product with several destinations all are replaced, unless
        C(replaces) names one of them, as C(trace.agent), without the site.
      - A host below a site of Datadog's stands for the product on that site, and opens its section of that site's own
        document. The networks of any other name must be in O(endpoint_networks), unless the data goes through O(proxy).
    type: list
    elements: dict
  endpoint_networks:
    description:
      - The networks of the hosts in O(endpoints) that are names of no site of Datadog's, by host.
    type: dict
  allow_unresolved:
    description:
      - Whether hosts and products that lack their networks (O(proxy_networks), O(endpoint_networks),
        O(cluster_networks), O(device_networks)) are listed in the result instead of being an error. Their flows are
        then missing.
    type: bool
    default: false
  site_urls:
    description:
      - Where the address ranges of sites are read instead of at the sites, by site. O(url) comes before it for O(site).
    type: dict
  extra_flows:
    description:
      - More flows, of the form that M(netwall.datadog.host_firewall) takes. They are checked, and put behind.
    type: list
    elements: dict
  ntp_networks:
    description:
      - The networks of the time servers that the Agent asks. When not set, anywhere.
    type: list
    elements: str
  cluster_networks:
    description:
      - The networks of the nodes or of the cluster, for the products V(kubelet) and V(autoscaling), which require it.
    type: list
    elements: str
  device_networks:
    description:
      - The networks of the devices that the Agent polls, for the product V(snmp), which requires it.
    type: list
    elements: str
  worker_version:
    description:
      - The version of the private location worker, for the product V(synthetics-private-location). When not set, the
        newest.
    type: str
  ports:
    description:
      - Ports of the Agent's own that were moved in its settings, by name. V(0) or V(-1) is for a port that is off.
      - Names are V(expvar), V(cmd), V(gui), V(apm-expvar), V(process-expvar), V(process-cmd), V(dogstatsd), V(apm) and,
        of Agents 4 and 5, V(forwarder) and V(graphite); V(_) does for V(-).
      - The further names V(otlp-grpc), V(otlp-http), V(snmp-traps), V(netflow9), V(netflow5), V(ipfix) and V(sflow5)
        are ports that an Agent opens only where its settings say so. They are closed to others when they are named here
        or in O(non_local_traffic).
    type: dict
  non_local_traffic:
    description:
      - Ports of the Agent's own that other hosts may reach, each with the list of their networks. Names are as in
        O(ports); those that are meant for the Agent's own host alone are refused.
    type: dict
  unmanaged_ports:
    description:
      - Ports of the Agent's own about which the policy says nothing, by the names of O(ports). Other rules on the host
        then decide who reaches them.
      - A port with networks in O(non_local_traffic) is managed nevertheless.
    type: list
    elements: str
  inbound_from:
    description:
      - Services of Datadog's that connect to this host (V(webhooks), V(synthetics)), each with the TCP port that they
        come to.
      - O(locations) restricts V(synthetics), and nothing else.
    type: dict
notes:
  - Call it by C(lookup), which gives the dictionary; C(query) gives a list with the dictionary in it.
  - O(families) restricts what is allowed, and never what is denied.
  - O(exclude) cuts addresses out of what Datadog publishes, and not out of networks given here.
seealso:
  - plugin: netwall.datadog.ip_ranges
    plugin_type: lookup
  - module: netwall.datadog.host_firewall
  - name: Network Traffic
    description: Datadog's own list of what an Agent sends where.
    link: https://docs.datadoghq.com/agent/configuration/network/
"""

EXAMPLES = r"""
- name: Show what an Agent sends out of the box
  ansible.builtin.debug:
    msg: "{{ lookup('netwall.datadog.traffic_policy', agent_version='7.60.0') }}"

- name: Show where metrics, traces and logs of an Agent on another site go
  ansible.builtin.debug:
    msg: "{{ policy.flows | selectattr('direction', 'eq', 'outbound') }}"
  vars:
    policy: >-
      {{ lookup('netwall.datadog.traffic_policy', site='datadoghq.eu', agent_version='7.60.0',
                products=['metrics', 'apm', 'logs', 'ntp'], ntp_networks=['192.0.2.123']) }}

- name: Show the names that a proxy must let the Agent reach
  ansible.builtin.debug:
    msg: "{{ policy.destinations | map(attribute='fqdn') | unique }}"
  vars:
    policy: "{{ lookup('netwall.datadog.traffic_policy', proxy='http://192.0.2.99:3128') }}"

- name: Show where metrics go that are shipped to a second site, and traces that go to a relay
  ansible.builtin.debug:
    msg: "{{ policy.flows | selectattr('direction', 'eq', 'outbound') }}"
  vars:
    policy: >-
      {{ lookup('netwall.datadog.traffic_policy', products=['metrics', 'apm'], endpoints=endpoints,
                endpoint_networks={'relay.example.com': ['192.0.2.8/29']}) }}
    endpoints:
      - {product: metrics, host: app.datadoghq.eu, is_additional: true}
      - {product: apm, host: relay.example.com, port: 8443}

- name: Show what is open to other hosts where traces come from an application's network
  ansible.builtin.debug:
    msg: "{{ policy.flows | selectattr('direction', 'eq', 'inbound') }}"
  vars:
    policy: >-
      {{ lookup('netwall.datadog.traffic_policy', non_local_traffic={'apm': ['198.51.100.0/24']},
                ports={'dogstatsd': 8135, 'gui': -1}) }}

- name: Show whence Datadog's webhooks and the synthetic tests of one location come
  ansible.builtin.debug:
    msg: "{{ policy.flows | selectattr('section', 'in', ['webhooks', 'synthetics']) }}"
  vars:
    policy: >-
      {{ lookup('netwall.datadog.traffic_policy', products=[], inbound_from={'webhooks': 8443, 'synthetics': 443},
                locations=['aws:eu-west-1']) }}

- name: Show the traffic on a Kubernetes node, with everything that is in doubt
  ansible.builtin.debug:
    msg: "{{ policy }}"
  vars:
    policy: >-
      {{ lookup('netwall.datadog.traffic_policy', products=['metrics', 'containers', 'orchestrator', 'kubelet', 'ntp'],
                cluster_networks=['198.51.100.0/24']) }}
"""

RETURN = r"""
_raw:
  description:
    - One dictionary.
  type: list
  elements: dict
  contains:
    site:
      description: The site that the policy is for.
      type: str
      sample: datadoghq.com
    version:
      description: The version of the address ranges, or null where none were needed.
      type: int
      sample: 47
    modified:
      description: When these address ranges were made (UTC), or null where none were needed.
      type: str
      sample: "2022-01-25T20:00:00Z"
    documents:
      description:
        - The address ranges that were used. Several sites have their documents in it.
      type: list
      elements: dict
      contains:
        site:
          description: The site that they are of.
          type: str
          sample: datadoghq.com
        version:
          description: Their version.
          type: int
          sample: 47
        modified:
          description: When they were made (UTC).
          type: str
          sample: "2022-01-25T20:00:00Z"
    proxy:
      description: Host and port of O(proxy), or null.
      type: str
      sample: proxy.example.com:3128
    endpoints:
      description: The option O(endpoints) in one form, so that a URL in it is shown as host and port alone.
      type: list
      elements: dict
      contains:
        product:
          description: What is sent there.
          type: str
          sample: apm
        host:
          description: A name in lower case, or an address.
          type: str
          sample: relay.example.com
        port:
          description: The port, or null where the documented one is meant.
          type: int
          sample: 8443
        is_additional:
          description: Whether the documented destination stays open as well.
          type: bool
          sample: false
        replaces:
          description: The one documented destination that it replaces, or null for all.
          type: str
          sample: trace.agent
    flows:
      description:
        - What to allow and what to deny. An allow beats a deny of the same direction, protocol and port.
      type: list
      elements: dict
      contains:
        id:
          description: The same for the same traffic in every run.
          type: str
          sample: agents-tcp-443-out
        direction:
          description: V(outbound) or V(inbound).
          type: str
          sample: outbound
        action:
          description: V(allow) or V(deny). What is denied never concerns the interface C(lo).
          type: str
          sample: allow
        protocol:
          description: V(tcp) or V(udp).
          type: str
          sample: tcp
        port:
          description: The port at the receiving end.
          type: int
          sample: 443
        networks:
          description: The other ends as CIDRs, IPv4 first; V(0.0.0.0/0) and V(::/0) for anywhere.
          type: list
          elements: str
          sample: [192.0.2.0/24, "2001:db8:0:b900::/56"]
        purpose:
          description: One line that says what it is for.
          type: str
          sample: metrics, service checks, events and metadata; flares
        section:
          description:
            - The section of the address ranges that the networks are from, or null where they are from elsewhere. It is
              V(global) or V(agents) where the document does not have the section that Datadog documents.
          type: str
          sample: agents
        destinations:
          description: The names behind those networks, where there are any.
          type: list
          elements: str
          sample: [7-60-0-app.agent.datadoghq.com, 7-60-0-flare.agent.datadoghq.com]
    destinations:
      description:
        - Every name that the Agent sends to, whether directly or through a proxy, for lists that go by name.
      type: list
      elements: dict
      contains:
        fqdn:
          description: The name, or a wildcard where it depends on a version that is not given.
          type: str
          sample: trace.agent.datadoghq.com
        protocol:
          description: V(tcp) or V(udp).
          type: str
          sample: tcp
        port:
          description: The port.
          type: int
          sample: 443
        product:
          description: What is sent there.
          type: str
          sample: apm
        section:
          description:
            - The section that Datadog documents for it, or null where the name resolves to addresses outside the
              ranges.
          type: str
          sample: apm
    unresolved:
      description:
        - The hosts and products that lack their networks, where O(allow_unresolved) is set.
      type: list
      elements: dict
      contains:
        name:
          description: The host's name, or the product's.
          type: str
          sample: relay.example.com
        option:
          description: The option that would give the networks.
          type: str
          sample: endpoint_networks
    warnings:
      description: Sentences about what cannot be allowed by address, was left out or is in doubt.
      type: list
      elements: str
      sample:
        - "Datadog has deprecated logs over TCP: have the Agent send them over HTTP."
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.errors import IpRangesError
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.loading import Loaded, load
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.options import RangesOptions
from ansible_collections.netwall.datadog.plugins.plugin_utils._ip_ranges.source import SourceError, url_of_site
from ansible_collections.netwall.datadog.plugins.plugin_utils._lookup import LookupOptionsError, read_options
from ansible_collections.netwall.datadog.plugins.plugin_utils._plan import hint_at_sites
from ansible_collections.netwall.datadog.plugins.plugin_utils._policy import build, sites_to_read
from ansible_collections.netwall.datadog.plugins.plugin_utils._request import PolicyError, Request


class LookupModule(LookupBase):
    """Options in, one document where it is needed, one policy out."""

    def run(self, terms: list[str], variables: t.Any = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """The policy, alone in a list."""
        if terms:
            raise AnsibleLookupError("The lookup traffic_policy takes no terms; name products by the option products.")
        try:
            options = read_options(self, self._templar, variables, kwargs)
            ranges = RangesOptions.from_mapping(options, proxy="ip_ranges_proxy")
            request = Request.from_options(options, ranges)
            loaded = {site: _load(ranges.of_site(site, options["site_urls"] or {})) for site in sites_to_read(request)}
            policy = build(request, {site: found.document for site, found in loaded.items()}).to_dict()
            warnings = [warning for found in loaded.values() for warning in found.warnings]
            return [{**policy, "warnings": [*warnings, *policy["warnings"]]}]
        except (IpRangesError, LookupOptionsError, PolicyError) as error:
            raise AnsibleLookupError(str(error)) from None


def _load(ranges: RangesOptions) -> Loaded:
    """The document; where it can't be fetched, the error ends with a hint: a mistyped site shows as no server."""
    try:
        return load(ranges)
    except SourceError as error:
        hint = hint_at_sites(ranges.site) if ranges.url == url_of_site(ranges.site) else ""
        raise SourceError(f"{error}{hint}") from None
