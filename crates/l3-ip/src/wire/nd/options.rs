//! Options of neighbour discovery.
//!
//! Job: walk them within bounds, keep those a host uses. Owns: their layout. Does not know: which message may have which.
//! Sources: RFC 4861 4.6, RFC 7527 4.1, RFC 8106 5.1 and 5.2, RFC 1035 3.1 (names).

use core::net::Ipv6Addr;

use super::LinkAddress;

/// Options one message may have; a longer list is refused as a whole.
pub const MAX_OPTIONS: usize = 64;
/// Prefixes, resolvers and domains kept of one message.
const MAX_KEPT: usize = 16;
/// Bytes of a nonce: the smallest option (RFC 3971 5.3.2).
pub const NONCE_LEN: usize = 6;

pub(super) const SOURCE_LINK: u8 = 1;
pub(super) const TARGET_LINK: u8 = 2;
pub(super) const PREFIX: u8 = 3;
pub(super) const REDIRECTED: u8 = 4;
pub(super) const MTU: u8 = 5;
pub(super) const NONCE: u8 = 14;
pub(super) const RESOLVERS: u8 = 25;
pub(super) const DOMAINS: u8 = 31;

/// A prefix a router announces (RFC 4861 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The network; bits beyond its length are to be ignored.
    pub network: Ipv6Addr,
    /// Its length.
    pub len: u8,
    /// Its hosts are on this link.
    pub on_link: bool,
    /// A host may make an address of it.
    pub autonomous: bool,
    /// Seconds it is good for.
    pub valid: u32,
    /// Seconds an address of it begins new things.
    pub preferred: u32,
}

/// What a message adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Where its sender is.
    pub source: Option<LinkAddress>,
    /// Where its target is.
    pub target: Option<LinkAddress>,
    /// The link's MTU.
    pub mtu: Option<u32>,
    /// Tells our own question from another's.
    pub nonce: Option<[u8; NONCE_LEN]>,
    /// Prefixes.
    pub prefixes: Vec<Prefix>,
    /// Who resolves names, each with seconds.
    pub resolvers: Vec<(Ipv6Addr, u32)>,
    /// Which domains are searched, each with seconds.
    pub domains: Vec<(String, u32)>,
    /// The beginning of the packet that is redirected, in whole units of eight bytes; empty: not said.
    pub redirected: Vec<u8>,
}

/// `None` for a list that condemns its message.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Options> {
    let mut options = Options::default();
    let mut count = 0;
    while !bytes.is_empty() {
        let (Raw { kind, body }, rest) = first(bytes)?;
        count += 1;
        if count > MAX_OPTIONS {
            return None;
        }
        keep(&mut options, kind, body);
        bytes = rest;
    }
    Some(options)
}

/// The first option, its type and what follows its length, and the rest; `None` for one of no length, or beyond the
/// end.
pub(super) fn first(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let len = usize::from(*bytes.get(1)?) * 8;
    let (option, rest) = bytes.split_at_checked(len)?;
    let (kind, body) = (*option.first()?, option.get(2..)?);
    Some((Raw { kind, body }, rest))
}

/// An option, not read yet.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

fn keep(options: &mut Options, kind: u8, body: &[u8]) {
    match kind {
        SOURCE_LINK => options.source = exactly(body),
        TARGET_LINK => options.target = exactly(body),
        MTU => options.mtu = word(body, 2),
        // Longer ones are another protocol's, and not ours to compare.
        NONCE => options.nonce = exactly(body),
        PREFIX if options.prefixes.len() < MAX_KEPT => options.prefixes.extend(prefix(body)),
        RESOLVERS => resolvers(options, body),
        DOMAINS => domains(options, body),
        REDIRECTED => options.redirected = body.get(6..).unwrap_or_default().to_vec(),
        _ => {}
    }
}

fn exactly<const N: usize>(body: &[u8]) -> Option<[u8; N]> {
    body.try_into().ok()
}

fn word(body: &[u8], at: usize) -> Option<u32> {
    let word = body.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*word))
}

fn address(body: &[u8], at: usize) -> Option<Ipv6Addr> {
    let octets = body.get(at..)?.first_chunk::<16>()?;
    Some(Ipv6Addr::from(*octets))
}

fn prefix(body: &[u8]) -> Option<Prefix> {
    let [len, flags, ..] = *body else {
        return None;
    };
    let prefix = Prefix {
        network: address(body, 14)?,
        len,
        on_link: flags & 0x80 != 0,
        autonomous: flags & 0x40 != 0,
        valid: word(body, 2)?,
        preferred: word(body, 6)?,
    };
    (len <= 128).then_some(prefix)
}

fn resolvers(options: &mut Options, body: &[u8]) {
    let Some(seconds) = word(body, 2) else {
        return;
    };
    let mut at = 6;
    while let Some(address) = address(body, at) {
        if options.resolvers.len() < MAX_KEPT {
            options.resolvers.push((address, seconds));
        }
        at += 16;
    }
}

fn domains(options: &mut Options, body: &[u8]) {
    let (Some(seconds), Some(mut names)) = (word(body, 2), body.get(6..)) else {
        return;
    };
    while let Some((name, rest)) = domain(names) {
        if options.domains.len() < MAX_KEPT {
            options.domains.push((name, seconds));
        }
        names = rest;
    }
}

/// One name without pointers; `None` for padding, and for what is no name.
fn domain(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    const LONGEST: usize = 253;
    let mut name = String::new();
    loop {
        let (len, rest) = bytes.split_first()?;
        if *len == 0 {
            return (!name.is_empty()).then_some((name, rest));
        }
        if *len > 63 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(*len))?;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !label.iter().all(plain) || name.len() + label.len() >= LONGEST {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(core::str::from_utf8(label).ok()?);
        bytes = rest;
    }
}

pub(super) fn emit(options: &Options, out: &mut Vec<u8>) {
    let link = |kind, address: &Option<LinkAddress>, out: &mut Vec<u8>| {
        if let Some(address) = address {
            out.extend([kind, 1]);
            out.extend(address);
        }
    };
    link(SOURCE_LINK, &options.source, out);
    link(TARGET_LINK, &options.target, out);
    link(NONCE, &options.nonce, out);
    if let Some(mtu) = options.mtu {
        out.extend([MTU, 1, 0, 0]);
        out.extend(mtu.to_be_bytes());
    }
    for prefix in &options.prefixes {
        let flags = u8::from(prefix.on_link) << 7 | u8::from(prefix.autonomous) << 6;
        out.extend([PREFIX, 4, prefix.len, flags]);
        out.extend(prefix.valid.to_be_bytes());
        out.extend(prefix.preferred.to_be_bytes());
        out.extend([0; 4]);
        out.extend(prefix.network.octets());
    }
    for (address, seconds) in &options.resolvers {
        out.extend([RESOLVERS, 3, 0, 0]);
        out.extend(seconds.to_be_bytes());
        out.extend(address.octets());
    }
    for (name, seconds) in &options.domains {
        emit_domain(name, *seconds, out);
    }
    emit_redirected(&options.redirected, out);
}

/// RFC 4861 4.6.3.
fn emit_redirected(packet: &[u8], out: &mut Vec<u8>) {
    let (whole, _) = packet.as_chunks::<8>();
    if let (Ok(units), false) = (u8::try_from(1 + whole.len()), whole.is_empty()) {
        out.extend([REDIRECTED, units, 0, 0, 0, 0, 0, 0]);
        out.extend(whole.as_flattened());
    }
}

fn emit_domain(name: &str, seconds: u32, out: &mut Vec<u8>) {
    let mut encoded = Vec::new();
    for label in name.split('.') {
        let Ok(len @ 1..=63) = u8::try_from(label.len()) else {
            return;
        };
        encoded.push(len);
        encoded.extend(label.as_bytes());
    }
    encoded.push(0);
    encoded.resize(encoded.len().next_multiple_of(8), 0);
    let Ok(units) = u8::try_from(1 + encoded.len() / 8) else {
        return;
    };
    out.extend([DOMAINS, units, 0, 0]);
    out.extend(seconds.to_be_bytes());
    out.extend(encoded);
}
