//! What the two SYNs agree on.
//!
//! Job: from what we offer and what the peer offered, the terms of the connection.
//! Owns: the agreement. Does not know: states, timers, when a SYN is sent.
//! Sources: RFC 9293 3.7.1 (MSS), RFC 7323 1.3, 2.2, 3.2 (scale and timestamps only if both SYNs have
//! them), RFC 2018 2 (SACK permitted), RFC 3168 6.1.1 (ECN).

use core::net::IpAddr;

use outcrop_base::{Ecn as Mark, Path};

use crate::config::Settings;
use crate::ecn::{EcnTerms, Setup};
use crate::info::Negotiated;
use crate::params;
use crate::segment::{Options, SegmentHeader, UserTimeout};
use crate::seq::SeqNum;

/// IPv4 header and TCP header without options (RFC 9293 3.7.1).
const HEADERS_V4: u32 = 40;
/// IPv6 header and TCP header without options.
const HEADERS_V6: u32 = 60;
/// The timestamps option with its padding (RFC 7323 appendix A).
pub(crate) const TIMESTAMPS_LEN: u16 = 12;

/// What is kept of the peer's SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerSyn {
    /// Its number: the peer's ISN.
    pub(crate) seq: SeqNum,
    /// Its window field; never scaled (RFC 7323 2.2).
    pub(crate) wnd: u16,
    /// The segment size it announced.
    pub(crate) mss: Option<u16>,
    /// The shift it offered.
    pub(crate) wscale: Option<u8>,
    /// Whether it permits SACK.
    pub(crate) sack: bool,
    /// Its timestamp.
    pub(crate) timestamp: Option<u32>,
    /// What it says about congestion marks.
    pub(crate) ecn: Setup,
    /// How long the peer keeps data unacknowledged.
    pub(crate) user_timeout: Option<UserTimeout>,
}

impl PeerSyn {
    /// What is kept of the SYN in this header, whose packet was marked like this.
    pub(crate) fn marked(header: &SegmentHeader, mark: Mark) -> Self {
        Self {
            ecn: Setup::of(header, mark),
            ..Self::from(header)
        }
    }
}

impl From<&SegmentHeader> for PeerSyn {
    fn from(header: &SegmentHeader) -> Self {
        let options = &header.options;
        Self {
            seq: header.seq,
            wnd: header.wnd,
            mss: options.mss,
            wscale: options.wscale,
            sack: options.sack_permitted,
            timestamp: options.timestamps.map(|ts| ts.val),
            ecn: Setup::of(header, Mark::NotEct),
            user_timeout: options.user_timeout,
        }
    }
}

/// What the headers take without options, on the way to `remote`.
pub(crate) const fn header_len(remote: IpAddr) -> u32 {
    if remote.is_ipv6() {
        HEADERS_V6
    } else {
        HEADERS_V4
    }
}

/// The largest payload of a segment that fits `path`, before TCP options.
pub(crate) fn path_mss(path: &Path, remote: IpAddr) -> u16 {
    u16::try_from(path.mtu.saturating_sub(header_len(remote)))
        .unwrap_or(u16::MAX)
        .max(params::MIN_PEER_MSS)
}

/// The smallest shift at which a window field can express `buffer` bytes (RFC 7323 2.3).
pub(crate) fn window_shift(buffer: u32) -> u8 {
    (0..params::MAX_WINDOW_SHIFT)
        .find(|shift| buffer >> shift <= u32::from(u16::MAX))
        .unwrap_or(params::MAX_WINDOW_SHIFT)
}

/// The options of our SYN, or of our SYN-ACK to `theirs`: what the peer did not offer is left out.
pub(crate) fn offer(
    settings: &Settings,
    path: &Path,
    remote: IpAddr,
    theirs: Option<&PeerSyn>,
) -> Options {
    let offered =
        |ours: bool, theirs_has: fn(&PeerSyn) -> bool| ours && theirs.is_none_or(theirs_has);
    let path_mss = path_mss(path, remote);
    Options {
        mss: Some(settings.mss.map_or(path_mss, |mss| mss.min(path_mss))),
        wscale: offered(settings.window_scale, |syn| syn.wscale.is_some())
            .then(|| window_shift(settings.widest_window())),
        sack_permitted: offered(settings.sack, |syn| syn.sack),
        timestamps: offered(settings.timestamps, |syn| syn.timestamp.is_some())
            .then(Default::default),
        ..Options::default()
    }
}

/// The agreement, once both SYNs are known. ECN also depends on what our SYNs said: `Embryo::ecn`.
pub(crate) fn agree(settings: &Settings, theirs: &PeerSyn, remote: IpAddr) -> Negotiated {
    let default_mss = if remote.is_ipv6() {
        params::DEFAULT_MSS_V6
    } else {
        params::DEFAULT_MSS_V4
    };
    let peer_mss = theirs.mss.unwrap_or(default_mss).max(params::MIN_PEER_MSS);
    let (snd_shift, rcv_shift) = match theirs.wscale {
        Some(shift) if settings.window_scale => (
            shift.min(params::MAX_WINDOW_SHIFT),
            window_shift(settings.widest_window()),
        ),
        Some(_) | None => (0, 0),
    };
    Negotiated {
        peer_mss,
        snd_shift,
        rcv_shift,
        timestamps: settings.timestamps && theirs.timestamp.is_some(),
        sack: settings.sack && theirs.sack,
        ecn: EcnTerms::Off,
        signature: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn bare_syn_gives_the_defaults_of_its_family() {
        let bare = PeerSyn::from(&SegmentHeader::default());
        let agreed = agree(&Settings::default(), &bare, PEER);
        assert_eq!(agreed.peer_mss, 536);
        assert_eq!((agreed.snd_shift, agreed.rcv_shift), (0, 0));
        assert!(!agreed.timestamps && !agreed.sack);
        let v6 = agree(&Settings::default(), &bare, "::1".parse().unwrap());
        assert_eq!(v6.peer_mss, 1220);
    }

    #[test]
    fn tiny_mss_and_huge_shift_are_bounded() {
        let syn = SegmentHeader {
            options: Options {
                mss: Some(1),
                wscale: Some(200),
                ..Options::default()
            },
            ..SegmentHeader::default()
        };
        let agreed = agree(&Settings::default(), &PeerSyn::from(&syn), PEER);
        assert_eq!(agreed.peer_mss, params::MIN_PEER_MSS);
        assert_eq!(agreed.snd_shift, 14);
    }

    #[test]
    fn answer_offers_only_what_was_offered() {
        let path = Path::plain(1500);
        let ours = offer(&Settings::default(), &path, PEER, None);
        assert_eq!(ours.mss, Some(1460));
        assert!(ours.sack_permitted && ours.wscale.is_some() && ours.timestamps.is_some());
        let bare = PeerSyn::from(&SegmentHeader::default());
        let answer = offer(&Settings::default(), &path, PEER, Some(&bare));
        assert_eq!(answer.mss, Some(1460));
        assert!(!answer.sack_permitted && answer.wscale.is_none() && answer.timestamps.is_none());
    }

    #[test]
    fn shift_lets_the_field_express_the_buffer() {
        assert_eq!(window_shift(65_535), 0);
        assert_eq!(window_shift(65_536), 1);
        assert_eq!(window_shift(1 << 20), 5);
        assert_eq!(window_shift(u32::MAX), 14);
    }
}
