//! What a holder and its parent say to each other.
//!
//! Job: the description of interfaces as one environment variable, and the answer as one message with
//! descriptors. Owns: both formats. Does not know: who makes what.

use core::mem::MaybeUninit;
use core::net::IpAddr;
use core::num::NonZeroU16;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::kernel::{Interface, Route};
use crate::tun::Format;

/// Descriptors one message may carry: `SCM_MAX_FD` of the kernel.
const MAX_FDS: usize = 253;
const MAX_TEXT: usize = 16 * 1024;

/// What the holder says.
#[derive(Debug)]
pub(super) enum Reply {
    /// Everything is made.
    Made {
        /// The user namespace it was born in.
        user: OwnedFd,
        /// The network namespace it was born in.
        net: OwnedFd,
        /// Names and descriptors, in the order asked for.
        tuns: Vec<(String, OwnedFd)>,
    },
    /// Why not.
    Failed(String),
}

/// One line an interface: its words, then its addresses and routes.
pub(super) fn encode(interfaces: &[Interface]) -> String {
    let line = |interface: &Interface| {
        let mut line = format!(
            "{} {} {}",
            interface.name, interface.mtu, interface.tx_queue_len
        );
        if interface.link_local {
            line.push_str(" link-local");
        }
        match interface.format {
            Format::Plain => {}
            Format::Offload => line.push_str(" offload"),
            Format::Tap => line.push_str(" tap"),
            Format::TapOffload => line.push_str(" tap-offload"),
        }
        if interface.queues > NonZeroU16::MIN {
            line.push_str(&format!(" queues={}", interface.queues));
        }
        for (address, prefix) in &interface.addresses {
            line.push_str(&format!(" address={address}/{prefix}"));
        }
        for route in &interface.routes {
            let via = route.via.map(|via| format!(",{via}")).unwrap_or_default();
            line.push_str(&format!(
                " route={}/{}{via}",
                route.destination, route.prefix
            ));
        }
        line
    };
    interfaces.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The inverse of [`encode`].
pub(super) fn decode(text: &str) -> Option<Vec<Interface>> {
    text.lines().map(decode_line).collect()
}

fn decode_line(line: &str) -> Option<Interface> {
    let mut words = line.split(' ');
    let mut interface = Interface::new(words.next()?);
    interface.mtu = words.next()?.parse().ok()?;
    interface.tx_queue_len = words.next()?.parse().ok()?;
    for word in words {
        if let Some(address) = word.strip_prefix("address=") {
            interface.addresses.push(decode_prefix(address)?);
        } else if let Some(queues) = word.strip_prefix("queues=") {
            interface.queues = queues.parse().ok()?;
        } else if word == "link-local" {
            interface.link_local = true;
        } else if word == "offload" {
            interface.format = Format::Offload;
        } else if word == "tap" {
            interface.format = Format::Tap;
        } else if word == "tap-offload" {
            interface.format = Format::TapOffload;
        } else {
            let route = word.strip_prefix("route=")?;
            let (network, via) = match route.split_once(',') {
                Some((network, via)) => (network, Some(via.parse().ok()?)),
                None => (route, None),
            };
            let (destination, prefix) = decode_prefix(network)?;
            interface.routes.push(Route {
                destination,
                prefix,
                via,
            });
        }
    }
    Some(interface)
}

fn decode_prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) = text.split_once('/')?;
    Some((address.parse().ok()?, prefix.parse().ok()?))
}

/// Sends the reply as one message: `made` and the names, or `failed` and the reason.
pub(super) fn send(socket: BorrowedFd<'_>, reply: &Reply) -> io::Result<()> {
    let (text, fds) = match reply {
        Reply::Made { user, net, tuns } => {
            let names: Vec<_> = tuns.iter().map(|(name, _)| name.as_str()).collect();
            let fds: Vec<_> = [user, net]
                .into_iter()
                .chain(tuns.iter().map(|(_, fd)| fd))
                .map(AsFd::as_fd)
                .collect();
            (format!("made\n{}", names.join("\n")), fds)
        }
        Reply::Failed(reason) => (format!("failed\n{reason}"), Vec::new()),
    };
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many interfaces for one message"));
    }
    let pieces = [IoSlice::new(text.as_bytes())];
    rustix::net::sendmsg(socket, &pieces, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the reply; `None` if the other end closed without one.
pub(super) fn receive(socket: &OwnedFd) -> io::Result<Option<Reply>> {
    let mut text = vec![0; MAX_TEXT];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(text.get(..received.bytes).unwrap_or_default());
    understand(&text, fds)
        .map(Some)
        .ok_or_else(|| io::Error::other("the holder's answer is damaged"))
}

fn understand(text: &str, fds: Vec<OwnedFd>) -> Option<Reply> {
    let (kind, rest) = text.split_once('\n')?;
    if kind == "failed" {
        return Some(Reply::Failed(rest.to_owned()));
    }
    let mut fds = fds.into_iter();
    let (user, net) = (fds.next()?, fds.next()?);
    let tuns: Vec<_> = rest.lines().map(str::to_owned).zip(fds.by_ref()).collect();
    (tuns.len() == rest.lines().count()).then_some(Reply::Made { user, net, tuns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_survive_the_environment() {
        let ip = |text: &str| text.parse().unwrap();
        let mut plain = Interface::new("tun1");
        plain.mtu = 65_535;
        plain.link_local = true;
        plain.format = Format::Offload;
        plain.queues = NonZeroU16::new(4).unwrap();
        let full = Interface::new("outcrop0")
            .address(ip("10.77.0.1"), 24)
            .address(ip("fd77::1"), 64)
            .route(ip("0.0.0.0"), 0, Some(ip("10.77.0.2")))
            .route(ip("fd78::"), 64, None);
        let both = [full, plain];
        assert_eq!(decode(&encode(&both)).unwrap(), both);
        assert_eq!(decode("tun0 1500"), None);
        assert_eq!(decode(""), Some(Vec::new()));
    }

    #[test]
    fn reply_carries_descriptors_and_a_closed_socket_is_none() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let (ours, theirs) = (OwnedFd::from(ours), OwnedFd::from(theirs));
        let fd = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let reply = Reply::Made {
            user: fd(),
            net: fd(),
            tuns: vec![("tun0".to_owned(), fd())],
        };
        send(theirs.as_fd(), &reply).unwrap();
        drop(theirs);
        let Some(Reply::Made { tuns, .. }) = receive(&ours).unwrap() else {
            panic!("not made");
        };
        assert_eq!(tuns[0].0, "tun0");
        assert!(receive(&ours).unwrap().is_none());
    }
}
