//! Which addresses functions may reach through the proxy: public ones.
//!
//! Judges addresses, never names: a name can mean anything the next moment. Knows nothing of HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// What may be reached.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// For tests, which have no public address to talk to.
    #[cfg(test)]
    pub(crate) allowed: Vec<IpAddr>,
}

/// The private and special blocks of IPv4, by first address and length of the prefix.
#[rustfmt::skip]
const BLOCKS: [([u8; 4], u8, &str); 12] = [
    ([0, 0, 0, 0], 8, "no address of a host"),
    ([10, 0, 0, 0], 8, "a private address"),
    ([100, 64, 0, 0], 10, "an address of a provider's own network"),
    ([127, 0, 0, 0], 8, "the host itself"),
    ([169, 254, 169, 254], 32, "the metadata service of a cloud"),
    ([169, 254, 0, 0], 16, "a link-local address"),
    ([172, 16, 0, 0], 12, "a private address"),
    ([192, 0, 0, 0], 24, "a special address"),
    ([192, 168, 0, 0], 16, "a private address"),
    ([198, 18, 0, 0], 15, "an address for benchmarks"),
    ([224, 0, 0, 0], 4, "a multicast address"),
    ([240, 0, 0, 0], 4, "a reserved address"),
];

impl Policy {
    /// # Errors
    /// What kind of address it is, when it may not be reached.
    pub fn judge(&self, address: IpAddr) -> Result<(), &'static str> {
        #[cfg(test)]
        if self.allowed.contains(&address) {
            return Ok(());
        }
        match address {
            IpAddr::V4(address) => judge_v4(address)?,
            IpAddr::V6(address) => judge_v6(address)?,
        }
        if is_own(address) { Err("an address of the host itself") } else { Ok(()) }
    }
}

fn judge_v4(address: Ipv4Addr) -> Result<(), &'static str> {
    let within = |block: [u8; 4], prefix: u8| {
        let shift = 32 - u32::from(prefix);
        address.to_bits() >> shift == Ipv4Addr::from(block).to_bits() >> shift
    };
    match BLOCKS.into_iter().find(|(block, prefix, _)| within(*block, *prefix)) {
        Some((.., kind)) => Err(kind),
        None => Ok(()),
    }
}

fn judge_v6(address: Ipv6Addr) -> Result<(), &'static str> {
    let parts = address.segments();
    let last = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => Err("no address of a host"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Err("the host itself"),
        // IPv4 in other clothes: mapped, compatible, translated, 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => judge_v4(last()),
        [0, 0, 0, 0, 0xffff, 0, ..] => judge_v4(last()),
        [0x2002, high, low, ..] => {
            judge_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        [0x64, 0xff9b, 1, ..] => Err("an address of a provider's own network"),
        [0x2001, 0, ..] => Err("a tunnel"),
        [0x100, 0, 0, 0, ..] => Err("a special address"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Err("a private address"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Err("a link-local address"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Err("a private address"),
        [first, ..] if first & 0xff00 == 0xff00 => Err("a multicast address"),
        _ => Ok(()),
    }
}

/// The kernel takes an address of the host's own as the one to come from, for packets to it.
fn is_own(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // Nothing is sent by this.
    let chosen = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    chosen.is_ok_and(|chosen| chosen.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(address: &str) -> Result<(), &'static str> {
        Policy::default().judge(address.parse().expect("an address"))
    }

    #[test]
    fn private_and_special_addresses_are_refused_in_every_form() {
        #[rustfmt::skip]
        let refused = [
            "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
            "127.0.0.1", "127.255.255.255", "169.254.0.1", "169.254.169.254", "172.16.0.1",
            "172.31.255.255", "192.0.0.8", "192.168.0.1", "198.18.0.1", "198.19.255.255",
            "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
            "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
            "::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:1234::1", "100::1",
            "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1",
        ];
        for address in refused {
            assert!(judge(address).is_err(), "{address} is let through");
        }
        assert_eq!(judge("169.254.169.254"), Err("the metadata service of a cloud"));
    }

    #[test]
    fn public_addresses_are_not() {
        #[rustfmt::skip]
        let public = [
            "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.0.0.1",
            "128.0.0.1", "169.253.0.1", "169.255.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
            "192.167.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
            "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1",
        ];
        for address in public {
            assert_eq!(judge(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_address_of_this_host_is_known_as_such() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(203, 0, 113, 77).into()));
    }
}
