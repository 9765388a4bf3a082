//! From a host to the addresses to try.
//!
//! Literals and `localhost` (RFC 6761) need no lookup. /etc/hosts and the search domains of
//! /etc/resolv.conf are honoured; a name in /etc/hosts is not asked for elsewhere, in either family.
//! Nothing is cached: a cache would hide a name server that fails.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use domain::probe::{Failure, Phase, Reason};
use hickory_resolver::{
    Hosts, ResolverBuilder, TokioResolver,
    config::{LookupIpStrategy, ResolveHosts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::{Query, ResponseCode},
        rr::{Name, RecordType},
    },
};
use url::Host;

use crate::look::Look;

/// Two tries are sure to fit even into a short probe, as lost datagrams are common.
const TRY: Duration = Duration::from_millis(1500);

/// Where names are looked up.
pub(crate) struct Names {
    resolver: TokioResolver,
    hosts: Hosts,
}

impl Names {
    /// As this host is set up.
    pub(crate) fn from_system() -> Result<Self, NetError> {
        // Without a hosts file there are no names in it.
        Self::new(TokioResolver::builder_tokio()?, Hosts::from_system().unwrap_or_default())
    }

    /// The builder says where, and which domains are searched; how is the same everywhere.
    pub(crate) fn new(mut builder: ResolverBuilder<TokioRuntimeProvider>, hosts: Hosts) -> Result<Self, NetError> {
        let options = builder.options_mut();
        options.cache_size = 0;
        // hickory asks the name servers for the family that a line of the hosts file does not have.
        options.use_hosts_file = ResolveHosts::Never;
        // One question for most names, and no wait for servers that drop the other one.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        options.timeout = TRY;
        options.attempts = 3;
        // Many looks at once ask the same few name servers.
        options.max_active_requests = 4096;
        Ok(Self { resolver: builder.build()?, hosts })
    }

    /// The addresses to try in this order, at least one.
    pub(crate) async fn addresses(&self, host: &Host<String>, look: &mut Look) -> Result<Vec<IpAddr>, Failure> {
        let name = match host {
            Host::Ipv4(address) => return Ok(vec![IpAddr::V4(*address)]),
            Host::Ipv6(address) => return Ok(vec![IpAddr::V6(*address)]),
            Host::Domain(name) if is_localhost(name) => {
                return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
            }
            Host::Domain(name) => name,
        };
        let parsed = Name::from_utf8(name).map_err(|error| failure(name, &error.into()))?;
        let in_hosts_file = self.in_hosts_file(&parsed);
        if !in_hosts_file.is_empty() {
            return Ok(in_hosts_file);
        }
        let lookup = async { self.resolver.lookup_ip(parsed).await.map_err(|error| failure(name, &error)) };
        let found = look.spend(Phase::Dns, || format!("look up {name}"), lookup).await?;
        found.iter().next().map(|first| vec![first]).ok_or_else(|| not_found(name))
    }

    /// An IPv6 address of a name whose IPv4 address cannot be reached from here.
    pub(crate) async fn ipv6_address(&self, host: &Host<String>, look: &mut Look) -> Option<IpAddr> {
        let Host::Domain(name) = host else { return None };
        let lookup = async { self.resolver.ipv6_lookup(name.as_str()).await.map_err(|error| failure(name, &error)) };
        let found = look.spend(Phase::Dns, || format!("look up {name}"), lookup).await.ok()?;
        found.answers().iter().find_map(|record| record.data.ip_addr())
    }

    /// The first address of each family.
    fn in_hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        let first = |family| {
            let lookup = self.hosts.lookup_static_host(&Query::query(name.clone(), family))?;
            lookup.answers().iter().find_map(|record| record.data.ip_addr())
        };
        [RecordType::A, RecordType::AAAA].into_iter().filter_map(first).collect()
    }
}

/// Whether the name is the prober's own host by definition.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The name exists nowhere, or has no address.
pub(crate) fn not_found(name: &str) -> Failure {
    Failure {
        reason: Reason::DnsNotFound,
        phase: Phase::Dns,
        message: format!("look up {name}: the name has no address"),
    }
}

fn failure(name: &str, error: &NetError) -> Failure {
    let (reason, what) = match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            return not_found(name);
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            (Reason::DnsServerFailure, format!("the name server answered {}", none.response_code))
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            (Reason::DnsServerFailure, format!("the name server answered {code}"))
        }
        NetError::Timeout => (Reason::DnsTimeout, "no name server answered".to_owned()),
        NetError::Proto(error) => (Reason::ConfigError, format!("not a name that can be looked up: {error}")),
        other => (Reason::DnsServerFailure, format!("no name server could be asked: {other}")),
    };
    Failure { reason, phase: Phase::Dns, message: format!("look up {name}: {what}") }
}

#[cfg(test)]
mod tests;
