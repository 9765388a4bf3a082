//! From a host and a port to a TCP connection, past the egress guard.
//!
//! One address is tried, not all: a look that quietly went on to the next would hide a dead one.
//! The other family is tried only where the first cannot be reached from here at all, and for
//! `localhost`, whose servers often listen on one family only.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
};

use domain::probe::{Failure, Phase, Reason};
use tokio::net::TcpStream;
use url::Host;

use crate::{
    context::Context,
    look::Look,
    resolve::{is_localhost, not_found},
};

/// Connects.
pub(crate) async fn connect(
    host: &Host<String>,
    port: u16,
    context: &Context,
    look: &mut Look,
) -> Result<TcpStream, Failure> {
    let mut addresses = VecDeque::from(context.names().addresses(host, look).await?);
    let local = matches!(host, Host::Domain(name) if is_localhost(name));
    let mut first_failure = None;
    while let Some(address) = addresses.pop_front() {
        let failure = match connect_to(SocketAddr::new(address, port), host, context, look).await {
            Ok(stream) => return Ok(stream),
            Err(failure) => failure,
        };
        match failure.reason {
            Reason::NetworkUnreachable if address.is_ipv4() && addresses.is_empty() => {
                addresses.extend(context.names().ipv6_address(host, look).await);
            }
            Reason::NetworkUnreachable => {}
            Reason::ConnectRefused if local => {}
            _ => return Err(first_failure.unwrap_or(failure)),
        }
        // What is wrong with the first address is what people want to know.
        first_failure.get_or_insert(failure);
    }
    Err(first_failure.unwrap_or_else(|| not_found(&host.to_string())))
}

async fn connect_to(
    address: SocketAddr,
    host: &Host<String>,
    context: &Context,
    look: &mut Look,
) -> Result<TcpStream, Failure> {
    if let Err(what) = context.egress().check(address.ip()) {
        let name = if host_is(host, address.ip()) { String::new() } else { format!(" (address of {host})") };
        let message = format!("connect to {address}{name}: refused before sending anything, as it is {what}");
        return Err(Failure { reason: Reason::EgressDenied, phase: Phase::Connect, message });
    }
    look.address = Some(address);
    let doing = || format!("connect to {address}");
    let work = async {
        let stream = TcpStream::connect(address).await.map_err(|error| failure(address, &error))?;
        // Small requests and answers would otherwise wait for each other.
        stream.set_nodelay(true).map_err(|error| failure(address, &error))?;
        Ok(stream)
    };
    look.spend(Phase::Connect, doing, work).await
}

fn host_is(host: &Host<String>, address: IpAddr) -> bool {
    match host {
        Host::Ipv4(v4) => address == *v4,
        Host::Ipv6(v6) => address == *v6,
        Host::Domain(_) => false,
    }
}

fn failure(address: SocketAddr, error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    // What is wrong on our side says nothing about the target.
    let out_of_files = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM));
    let (reason, what) = match error.kind() {
        _ if out_of_files => (Reason::NotPermitted, format!("the prober is out of resources: {error}")),
        Kind::ConnectionRefused => (Reason::ConnectRefused, "refused".to_owned()),
        Kind::ConnectionReset | Kind::ConnectionAborted => (Reason::ConnectReset, "reset".to_owned()),
        Kind::TimedOut => (Reason::ConnectTimeout, "no answer".to_owned()),
        Kind::PermissionDenied => (Reason::NotPermitted, format!("not permitted on this host: {error}")),
        Kind::AddrNotAvailable if address.is_ipv4() => {
            (Reason::NotPermitted, format!("the prober has no port left: {error}"))
        }
        Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::AddrNotAvailable | Kind::NetworkDown => {
            (Reason::NetworkUnreachable, format!("no route: {error}"))
        }
        _ => (Reason::NetworkUnreachable, error.to_string()),
    };
    Failure { reason, phase: Phase::Connect, message: format!("connect to {address}: {what}") }
}

#[cfg(test)]
mod tests;
