//! What comes back, and what does not.

use core::time::Duration;

use super::*;
use outcrop_base::Transport;
use proptest::prelude::*;

fn flow_of(remote: &str) -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: "10.0.0.1:80".parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

fn cookies() -> Cookies {
    Cookies::new(&Seed::from_number(5))
}

/// The acknowledgment an honest peer sends to our answer.
fn acknowledged(kept: &SegmentHeader, cookie: SeqNum, clock: u32) -> SegmentHeader {
    SegmentHeader {
        seq: kept.seq + 1,
        ack: Some(cookie + 1),
        flags: Flags::ACK,
        wnd: kept.wnd,
        options: Options {
            timestamps: kept.options.timestamps.map(|theirs| Timestamps {
                val: theirs.val,
                ecr: stamp(clock, kept),
            }),
            ..Options::default()
        },
        ..SegmentHeader::default()
    }
}

fn linux_syn() -> SegmentHeader {
    SegmentHeader {
        seq: SeqNum::new(u32::MAX),
        flags: Flags::SYN | Flags::ECE | Flags::CWR,
        wnd: 64_240,
        options: Options {
            mss: Some(1460),
            wscale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { val: 77, ecr: 0 }),
            ..Options::default()
        },
        ..SegmentHeader::default()
    }
}

#[test]
fn full_syn_with_timestamps_everything_comes_back() {
    let (cookies, flow, now) = (cookies(), flow_of("10.0.0.2:4000"), Instant::from_secs(100));
    let kept = keeps(&linux_syn(), false, true);
    assert_eq!(kept, linux_syn(), "nothing is lost");
    let cookie = cookies.make(&flow, now, &kept);
    let ack = acknowledged(&kept, cookie, 12_345);
    let back = cookies.recall(&flow, now, &ack, true).unwrap();
    assert_eq!((back.iss, back.syn.seq), (cookie, kept.seq));
    assert_eq!(back.syn.flags, kept.flags);
    let (got, want) = (back.syn.options, kept.options);
    assert_eq!((got.mss, got.wscale), (Some(1460), Some(7)));
    assert_eq!(got.sack_permitted, want.sack_permitted);
}

#[test]
fn syn_without_timestamps_only_the_segment_size_is_kept() {
    let mut syn = linux_syn();
    syn.options.timestamps = None;
    let kept = keeps(&syn, false, true);
    assert_eq!(kept.options.mss, Some(1460));
    assert_eq!((kept.options.wscale, kept.flags), (None, Flags::SYN));
    assert!(!kept.options.sack_permitted);
    let ours_off = keeps(&linux_syn(), false, false);
    assert_eq!(ours_off, SegmentHeader { ..kept });
}

// RFC 9293 3.7.1: without the option the peer takes 536, or 1220 over IPv6; never round up.
#[test]
fn segment_size_is_rounded_down_and_the_default_is_kept() {
    for (mss, v4) in [
        (None, 536),
        (Some(536), 536),
        (Some(1459), 1452),
        (Some(1461), 1460),
        (Some(1000), 536),
        (Some(9000), 8960),
        (Some(1), 48),
    ] {
        let mut syn = linux_syn();
        syn.options.mss = mss;
        assert_eq!(keeps(&syn, false, true).options.mss, Some(v4), "{mss:?}");
    }
    let mut syn = linux_syn();
    syn.options.mss = None;
    assert_eq!(keeps(&syn, true, true).options.mss, Some(1220));
}

#[test]
fn cookie_is_good_for_its_minute_and_the_next_only() {
    let (cookies, flow) = (cookies(), flow_of("10.0.0.2:4000"));
    let made = Instant::from_secs(119);
    let kept = keeps(&linux_syn(), false, true);
    let ack = acknowledged(&kept, cookies.make(&flow, made, &kept), 9);
    for (later, good) in [
        (0, true),
        (1, true),
        (60, true),
        (61, false),
        (15_360, false),
    ] {
        let now = made + Duration::from_secs(later);
        let back = cookies.recall(&flow, now, &ack, true);
        assert_eq!(back.is_some(), good, "{later} s later");
    }
}

#[test]
fn anything_changed_the_cookie_is_not_ours() {
    let (cookies, flow, now) = (cookies(), flow_of("10.0.0.2:4000"), Instant::from_secs(100));
    let kept = keeps(&linux_syn(), false, true);
    let good = acknowledged(&kept, cookies.make(&flow, now, &kept), 9);
    let mut other_ack = good;
    other_ack.ack = good.ack.map(|ack| ack + 0x0123_4567);
    let mut other_seq = good;
    other_seq.seq = good.seq + 1;
    let mut other_marks = good;
    if let Some(stamp) = &mut other_marks.options.timestamps {
        stamp.ecr ^= 1;
    }
    for bad in [other_ack, other_seq, other_marks] {
        assert_eq!(cookies.recall(&flow, now, &bad, true), None);
    }
    let stranger = flow_of("10.0.0.2:4001");
    assert_eq!(cookies.recall(&stranger, now, &good, true), None);
    let other = Cookies::new(&Seed::from_number(6));
    assert_eq!(other.recall(&flow, now, &good, true), None);
}

#[test]
fn guessing_a_million_numbers_finds_next_to_nothing() {
    let (cookies, flow, now) = (cookies(), flow_of("10.0.0.2:4000"), Instant::from_secs(100));
    let found = (0..1_000_000u32)
        .filter(|guess| {
            let ack = SegmentHeader {
                ack: Some(SeqNum::new(guess.wrapping_mul(0x9e37_79b9))),
                flags: Flags::ACK,
                ..SegmentHeader::default()
            };
            cookies.recall(&flow, now, &ack, true).is_some()
        })
        .count();
    // Sixteen of 2^32 numbers are good: one in 268 million.
    assert!(found <= 1, "{found}");
}

proptest! {
    #[test]
    fn what_is_kept_is_what_comes_back(
        seq: u32, mss in proptest::option::of(any::<u16>()), shift in proptest::option::of(0u8..=14),
        sack: bool, ecn: bool, stamps: bool, clock: u32, second in 0u64..1_000_000, v6: bool,
    ) {
        let flow = flow_of(if v6 { "[fd00::2]:4000" } else { "10.0.0.2:4000" });
        let mut syn = linux_syn();
        syn.seq = SeqNum::new(seq);
        syn.flags = Flags::SYN.with_if(Flags::ECE | Flags::CWR, ecn);
        syn.options.mss = mss;
        syn.options.wscale = shift;
        syn.options.sack_permitted = sack;
        syn.options.timestamps = stamps.then_some(Timestamps { val: 1, ecr: 0 });
        let (cookies, now) = (cookies(), Instant::from_secs(second));
        let kept = keeps(&syn, v6, true);
        let back = stamp(clock, &kept);
        prop_assert!((0..128).contains(&Timestamps::distance(clock, back)));
        let ack = acknowledged(&kept, cookies.make(&flow, now, &kept), clock);
        let mut got = cookies.recall(&flow, now, &ack, true).unwrap().syn;
        got.options.timestamps = kept.options.timestamps;
        prop_assert_eq!(got, kept);
    }
}
