//! Which addresses may be contacted at all.
//!
//! Whoever may write a ServiceMonitor chooses where the prober connects, so without a guard they
//! could read the cloud's metadata service or the prober's own ports through it (CVE-2020-16248 of
//! blackbox_exporter). The guard sees the address that is about to be connected to, after names and
//! redirects, for every hop: a name that points inside is refused like the address itself.
//!
//! Absent: names and patterns of names. They say nothing about where a connection goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a range may be contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It may.
    Allow,
    /// It may not: `EgressDenied`, and no packet is sent.
    Refuse,
}

/// What a prober may contact. Link-local and metadata addresses never, whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Egress {
    /// The prober's own host: 127.0.0.0/8, ::1, and 0.0.0.0/8 and ::, which Linux connects to itself.
    pub loopback: Rule,
    /// Private networks: RFC 1918, RFC 4193 (fc00::/7), shared address space 100.64.0.0/10, fec0::/10.
    pub private: Rule,
}

impl Default for Egress {
    /// A cluster's Services have private addresses; its prober's own ports are nobody's business.
    fn default() -> Self {
        Self { loopback: Rule::Refuse, private: Rule::Allow }
    }
}

/// Where clouds answer questions about the machine and its credentials, besides the link-local ranges.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // Amazon
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),  // Google
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),                    // Azure, host services
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),                  // Alibaba
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),                      // Oracle
];

impl Egress {
    /// Everything but link-local and metadata addresses.
    pub const OPEN: Self = Self { loopback: Rule::Allow, private: Rule::Allow };

    /// Whether a connection to `address` may be tried.
    ///
    /// # Errors
    /// What the address is, when it may not: "a link-local address".
    pub fn check(self, address: IpAddr) -> Result<(), &'static str> {
        let address = embedded(address);
        let refused = if METADATA.contains(&address) {
            Some("a cloud metadata address")
        } else if is_link_local(address) {
            Some("a link-local address")
        } else if is_many(address) {
            Some("a multicast or broadcast address")
        } else if self.loopback == Rule::Refuse && is_own_host(address) {
            Some("a loopback address")
        } else if self.private == Rule::Refuse && is_private(address) {
            Some("a private address")
        } else {
            None
        };
        refused.map_or(Ok(()), Err)
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped (::ffff:0:0/96), compatible (::/96),
/// translated (RFC 6052, RFC 8215) and 6to4 (2002::/16). Otherwise the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if v6.is_loopback() || v6.is_unspecified() {
        return address;
    }
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let inner = match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, ..] => Some((high, low)),
        [0x2002, ..] => Some((b, c)),
        _ => None,
    };
    inner.map_or(address, |(high, low)| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_many(address: IpAddr) -> bool {
    address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn is_own_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.octets().first() == Some(&0),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified(),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            v6.is_unique_local() || first & 0xffc0 == 0xfec0
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const CLOSED: Egress = Egress { loopback: Rule::Refuse, private: Rule::Refuse };

    #[rstest]
    #[case("169.254.169.254")]
    #[case("169.254.0.1")]
    #[case("fe80::1")]
    #[case("febf::1")]
    #[case("fd00:ec2::254")]
    #[case("fd20:ce::254")]
    #[case("168.63.129.16")]
    #[case("100.100.100.200")]
    #[case("192.0.0.192")]
    #[case("::ffff:169.254.169.254")]
    #[case("::ffff:0:a9fe:a9fe")]
    #[case("::169.254.169.254")]
    #[case("64:ff9b::169.254.169.254")]
    #[case("64:ff9b:1::a9fe:a9fe")]
    #[case("2002:a9fe:a9fe::1")]
    #[case("224.0.0.1")]
    #[case("255.255.255.255")]
    #[case("ff02::1")]
    fn some_addresses_are_refused_whatever_the_policy_says(#[case] address: IpAddr) {
        assert!(Egress::OPEN.check(address).is_err(), "{address}");
    }

    #[rstest]
    #[case("127.0.0.1")]
    #[case("127.255.0.9")]
    #[case("0.0.0.0")]
    #[case("0.1.2.3")]
    #[case("::1")]
    #[case("::")]
    #[case("::ffff:127.0.0.1")]
    #[case("::7f00:1")]
    #[case("2002:7f00:1::")]
    #[case("64:ff9b::7f00:1")]
    fn the_own_host_has_many_names_and_one_rule(#[case] address: IpAddr) {
        assert_eq!(Egress { private: Rule::Allow, ..CLOSED }.check(address), Err("a loopback address"));
        assert_eq!(Egress { loopback: Rule::Allow, ..CLOSED }.check(address), Ok(()));
    }

    #[rstest]
    #[case("10.0.0.1")]
    #[case("172.16.0.1")]
    #[case("172.31.255.255")]
    #[case("192.168.1.1")]
    #[case("100.64.0.1")]
    #[case("100.127.255.255")]
    #[case("fc00::1")]
    #[case("fd12:3456::1")]
    #[case("fec0::1")]
    #[case("::ffff:10.0.0.1")]
    fn private_networks_have_one_rule(#[case] address: IpAddr) {
        assert_eq!(Egress { loopback: Rule::Allow, ..CLOSED }.check(address), Err("a private address"));
        assert_eq!(Egress { private: Rule::Allow, ..CLOSED }.check(address), Ok(()));
    }

    #[rstest]
    #[case("1.1.1.1")]
    #[case("172.15.0.1")]
    #[case("172.32.0.1")]
    #[case("100.63.255.255")]
    #[case("100.128.0.1")]
    #[case("2606:4700::1111")]
    #[case("2002:0101:0101::1")]
    fn public_addresses_are_always_allowed(#[case] address: IpAddr) {
        assert_eq!(CLOSED.check(address), Ok(()));
    }
}
