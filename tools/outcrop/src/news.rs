//! What becomes of the stack's addresses while it runs.
//!
//! Job: say each piece of news on standard error, one line; wait for those that matter. Owns: the words. Does not know: where addresses come from.

use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;

use outcrop_stack::ip::{AddressNews, AddressState, Origin};
use outcrop_stack::{Core, Interest, Shard};

use crate::host::TUN;

/// Says the news for as long as the host runs.
pub(crate) async fn tell(shard: Shard) {
    loop {
        let line = poll_fn(|cx| {
            shard.poll(Interest::Address(TUN), cx, |core| {
                let news = core.take_address_news(TUN);
                news.map_or(Poll::Pending, |news| Poll::Ready(say(core, news)))
            })
        });
        eprintln!("{}", line.await);
    }
}

/// Waits until our addresses of `peer`'s family are checked (RFC 5227 2.1, RFC 4862 5.4): before, nothing may leave from
/// them. On a TUN that is at once. Says if another station has one.
pub(crate) async fn settled(shard: &Shard, peer: IpAddr) {
    let checked = poll_fn(|cx| {
        shard.poll(Interest::Address(TUN), cx, |core| {
            while let Some(news) = core.take_address_news(TUN) {
                if matches!(news, AddressNews::Duplicate(_)) {
                    eprintln!("{}", say(core, news));
                }
            }
            let mut ours = core.addresses();
            let waiting = ours.any(|known| {
                let family = known.cidr.addr().is_ipv4() == peer.is_ipv4();
                family && known.state == AddressState::Tentative
            });
            if waiting {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
    });
    checked.await;
}

/// One piece of news as a line.
pub(crate) fn say(core: &Core, news: AddressNews) -> String {
    match news {
        AddressNews::Ready(addr) => {
            let mut all = core.addresses();
            let origin = all.find(|known| known.cidr.addr() == addr);
            let whence = match origin.map(|known| known.origin) {
                None | Some(Origin::Manual) => "",
                Some(Origin::LinkLocal) => ", for this link alone",
                Some(Origin::Router) => ", of a router's prefix",
                Some(Origin::Temporary) => ", of a router's prefix and temporary",
                Some(Origin::Lease) => ", leased",
            };
            format!("address: {addr} is ours{whence}")
        }
        AddressNews::Duplicate(addr) => {
            format!("address: {addr} is not ours: another station has it")
        }
        AddressNews::Deprecated(addr) => format!("address: {addr} begins nothing new"),
        AddressNews::Expired(addr) => format!("address: {addr} is ours no more"),
        AddressNews::Router { managed, other } => {
            let more = match (managed, other) {
                (true, _) => "; it says that addresses are to be had by DHCPv6",
                (false, true) => "; it says that settings are to be had by DHCPv6",
                (false, false) => "",
            };
            format!("router: heard{more}")
        }
        AddressNews::Resolvers => {
            let servers: Vec<_> = core.resolvers().iter().map(ToString::to_string).collect();
            let search = core.search_domains().join(" ");
            format!("resolvers: {}; search: {search}", servers.join(" "))
        }
    }
}
