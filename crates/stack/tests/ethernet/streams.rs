//! TCP on Ethernet: packets that wait for a neighbour, and progress that confirms one.

use core::time::Duration;

use outcrop_base::ChunkQueue;
use outcrop_stack::StreamId;
use outcrop_stack::ethernet::State;
use outcrop_stack::tcp::Listen;

use crate::common::{IFACE, Lan, host};

fn connected(lan: &mut Lan, to: &str) -> (StreamId, StreamId) {
    let listener = lan.hosts[1]
        .tcp_listen(to.parse().unwrap(), Listen::default())
        .unwrap();
    let client = lan.hosts[0]
        .tcp_connect(None, to.parse().unwrap(), None)
        .unwrap();
    lan.settle();
    (
        client,
        lan.hosts[1].tcp_accept(listener).expect("connected"),
    )
}

#[test]
fn a_syn_waits_for_its_neighbor_and_the_connection_opens_at_once() {
    for (a, b, to) in [
        ("10.0.0.1/24", "10.0.0.2/24", "10.0.0.2:80"),
        ("fd00::1/64", "fd00::2/64", "[fd00::2]:80"),
    ] {
        let mut lan = Lan::new(vec![host(1, &[a]), host(2, &[b])]);
        connected(&mut lan, to);
    }
}

#[test]
fn a_stream_in_progress_keeps_its_neighbor_reachable_without_a_question() {
    let mut lan = Lan::new(vec![host(1, &["fd00::1/64"]), host(2, &["fd00::2/64"])]);
    let (client, server) = connected(&mut lan, "[fd00::2]:80");
    lan.frames.clear();
    for _ in 0..60 {
        let mut data = ChunkQueue::default();
        data.push(bytes::Bytes::from_static(b"one second of life"));
        lan.hosts[0].tcp_write(client, &mut data).unwrap();
        lan.pass(Duration::from_secs(2));
        while let Ok(Some(_)) = lan.hosts[1].tcp_read(server) {}
    }
    let state = lan.hosts[0].neighbors(IFACE).next().unwrap().state;
    assert_eq!(state, State::Reachable);
    // RFC 4861 7.3.1: acknowledgments are the proof; the sender asked nobody. (Who only hears has none, and asks.)
    let asked_by_client = lan
        .frames
        .iter()
        .filter(|f| f[20] == 58 && f[54] == 135 && f[11] == 1);
    assert_eq!(asked_by_client.count(), 0);
}
