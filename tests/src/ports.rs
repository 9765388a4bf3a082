//! Loopback ports that stay ours while their server is down.
//!
//! They lie below the range from which the kernel serves outgoing connections
//! (32768 and up), and each is reserved, for as long as the [`Port`] lives, by a
//! name in the abstract socket namespace that vanishes with the process. So two
//! test runs at once do not take each other's ports, and a restarted server finds
//! its port free.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{linux::net::SocketAddrExt, unix::net::UnixListener},
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A reserved port of 127.0.0.1.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: UnixListener,
}

impl Port {
    /// Reserves a port on which nobody listens.
    ///
    /// # Errors
    /// When all 12,000 are taken.
    pub fn reserve() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Runs start at different places, so that they seldom meet.
        let start = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let number = FIRST + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
            let name = std::os::unix::net::SocketAddr::from_abstract_name(format!("firstline-port-{number}"))?;
            let Ok(reservation) = UnixListener::bind_addr(&name) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _reservation: reservation });
            }
        }
        bail!("no free port of 127.0.0.1 in {FIRST}..{}", FIRST + COUNT)
    }

    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:number`.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
