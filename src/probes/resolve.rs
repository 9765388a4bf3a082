//! From a host to the addresses to try.
//!
//! Literals and `localhost` (RFC 6761) need no lookup. /etc/hosts and the search domains of
//! /etc/resolv.conf are honoured. Nothing is cached: a cache would hide a name server that fails.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use domain::probe::{Failure, Phase, Reason};
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, ResolveHosts, ResolverOpts},
    net::{DnsError, NetError},
    proto::op::ResponseCode,
};
use url::Host;

use crate::look::Look;

/// Two tries are sure to fit even into a short probe, as lost datagrams are common.
const TRY: Duration = Duration::from_millis(1500);

/// Sets how names are looked up; the system's file says only where, and which domains are searched.
pub(crate) fn configure(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Always;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = TRY;
    options.attempts = 3;
    // Many looks at once ask the same few name servers.
    options.max_active_requests = 4096;
}

/// The addresses of a host, at least one: the first of IPv4 and the first of IPv6.
pub(crate) async fn addresses(
    host: &Host<String>,
    resolver: &TokioResolver,
    look: &mut Look,
) -> Result<Vec<IpAddr>, Failure> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![IpAddr::V4(*address)]),
        Host::Ipv6(address) => return Ok(vec![IpAddr::V6(*address)]),
        Host::Domain(name) if is_localhost(name) => {
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        Host::Domain(name) => name,
    };
    let lookup = async { resolver.lookup_ip(name.as_str()).await.map_err(|error| failure(name, &error)) };
    let found = look.spend(Phase::Dns, || format!("look up {name}"), lookup).await?;
    let first_of_each = [found.iter().find(IpAddr::is_ipv4), found.iter().find(IpAddr::is_ipv6)];
    let addresses: Vec<IpAddr> = first_of_each.into_iter().flatten().collect();
    if addresses.is_empty() { Err(not_found(name)) } else { Ok(addresses) }
}

/// Whether the name is the prober's own host by definition.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn not_found(name: &str) -> Failure {
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
