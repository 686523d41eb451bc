//! Closing: who first, both at once, half, with data, without a program, and TIME-WAIT after it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Seg, Story, plain, seg};
use outcrop_tcp::{
    CloseReason, Config, ConnId, ConnectError, Event, ReadError, Settings, StaleId, State,
    WriteError,
};

fn story() -> (Story, ConnId) {
    Story::established(plain())
}

/// Our side has closed first and everything is acknowledged: TIME-WAIT at 0 s.
fn time_wait() -> (Story, ConnId) {
    time_wait_with(plain(), |seg, _| seg)
}

fn time_wait_with(settings: Settings, dress: impl Fn(Seg, u32) -> Seg) -> (Story, ConnId) {
    let (mut story, id) = Story::established_by(settings, dress(seg("S").mss(1000), 100));
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(dress(seg(".").seq(1).ack(2), 101));
    story.recv(dress(seg("F.").seq(1).ack(2), 102));
    assert_eq!(story.out().len(), 1);
    assert_eq!(story.state(), State::TimeWait);
    (story, id)
}

#[test]
fn we_close_first_every_state_on_the_left_is_passed() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.expect(&["F. 1 ack 1 fin"]);
    story.recv(seg(".").seq(1).ack(2));
    story.expect(&[]);
    story.recv(seg("F.").seq(1).ack(2));
    story.expect(&[". 2 ack 2 pure-ack"]);
    assert_eq!(
        story.path_of_states(),
        ["FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT"]
    );
    assert_eq!(
        story.events(),
        [
            Event::Readable(id),
            Event::Closed(id, CloseReason::Finished)
        ]
    );
    assert_eq!(story.tcp.read(id), Ok(None));
}

#[test]
fn peer_closes_first_every_state_on_the_right_is_passed() {
    let (mut story, id) = story();
    story.recv(seg("F.").seq(1).ack(1));
    story.expect(&[". 1 ack 2 pure-ack"]);
    assert_eq!(story.events(), [Event::Readable(id)]);
    assert_eq!(story.tcp.read(id), Ok(None));
    story.tcp.shutdown(id).unwrap();
    story.expect(&["F. 1 ack 2 fin"]);
    story.recv(seg(".").seq(2).ack(2));
    story.expect(&[]);
    assert_eq!(story.path_of_states(), ["CLOSE-WAIT", "LAST-ACK", "CLOSED"]);
    assert_eq!(story.tcp.time_wait_len(), 0);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Finished)]);
}

#[test]
fn both_close_at_once_fins_cross_closing_then_time_wait() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.expect(&["F. 1 ack 1 fin"]);
    story.recv(seg("F.").seq(1).ack(1));
    story.expect(&[". 2 ack 2 pure-ack"]);
    story.expect_state(State::Closing);
    story.recv(seg(".").seq(2).ack(2));
    story.expect(&[]);
    story.expect_state(State::TimeWait);
}

#[test]
fn three_way_close_fin_acks_our_fin_time_wait_at_once() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg("F.").seq(1).ack(2));
    story.expect(&[". 2 ack 2 pure-ack"]);
    story.expect_state(State::TimeWait);
}

#[test]
fn shutdown_before_the_flush_fin_rides_on_the_last_data() {
    let (mut story, id) = story();
    story.write(id, 1_500);
    story.tcp.shutdown(id).unwrap();
    story.expect(&[". 1:1001(1000) ack 1 data", "FP. 1001:1501(500) ack 1 fin"]);
}

// Half-close, RFC 9293 3.6.1: the other direction goes on.
#[test]
fn we_closed_our_side_peer_goes_on_sending_and_is_read() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg(".").seq(1).ack(2));
    for n in 0..3 {
        story.recv(seg("P.").seq(1 + n * 100).ack(2).zeros(100));
        story.at(u64::from(n) * 100 + 100);
        assert_eq!(story.out().len(), 1);
    }
    assert_eq!(story.read_all(id).len(), 300);
    story.expect_state(State::FinWait2);
}

#[test]
fn peer_closed_its_side_we_go_on_sending() {
    let (mut story, id) = story();
    story.recv(seg("F.").seq(1).ack(1));
    story.out();
    story.write(id, 100);
    story.expect(&["P. 1:101(100) ack 2 data"]);
    story.recv(seg(".").seq(2).ack(101));
    story.expect_state(State::CloseWait);
}

// Bug 4: an out-of-order FIN is kept until its turn.
#[test]
fn fin_before_the_data_it_follows_counts_once_the_gap_is_closed() {
    let (mut story, id) = story();
    story.recv(seg("F.").seq(101).ack(1));
    story.out();
    story.expect_state(State::Established);
    story.recv(seg("P.").seq(1).ack(1).zeros(100));
    story.expect_state(State::CloseWait);
    story.expect(&[". 1 ack 102 pure-ack"]);
    assert_eq!(story.read_all(id).len(), 100);
    assert_eq!(story.tcp.read(id), Ok(None));
}

// Bug 4: every state with a FIN outstanding repeats it.
#[test]
fn fin_lost_in_any_state_it_is_sent_again() {
    for state in [State::FinWait1, State::Closing, State::LastAck] {
        let (mut story, id) = story();
        if state == State::LastAck {
            story.recv(seg("F.").seq(1).ack(1));
        }
        story.tcp.shutdown(id).unwrap();
        story.out();
        if state == State::Closing {
            story.recv(seg("F.").seq(1).ack(1));
            story.out();
        }
        story.expect_state(state);
        let (at, again) = story.wait_output(5_000).unwrap();
        assert!(at >= 200, "{state} at {at}");
        assert_eq!(again.why.name(), "fin-retransmit", "{state}");
        assert_eq!((again.seq, again.flags.to_string()), (1, "F.".into()));
    }
}

// Bug 4: a FIN behind a full window leaves once the window opens.
#[test]
fn fin_behind_a_closed_window_leaves_with_the_last_data_when_it_opens() {
    let (mut story, id) = story();
    story.recv(seg(".").seq(1).ack(1).wnd(0));
    story.write(id, 100);
    story.tcp.shutdown(id).unwrap();
    story.expect(&[]);
    story.expect_state(State::FinWait1);
    story.recv(seg(".").seq(1).ack(1).wnd(1_000));
    story.expect(&["FP. 1:101(100) ack 1 fin"]);
}

// RFC 9293 3.6.1, RFC 1122 4.2.2.13: what was never read must not look delivered.
#[test]
fn closed_with_unread_data_a_reset_says_so() {
    let (mut story, id) = story();
    story.recv(seg("P.").seq(1).ack(1).data(b"unread"));
    story.tcp.close(id).unwrap();
    story.expect(&["R. 1 ack 7 reset-unread-data"]);
    assert!(story.tcp.is_empty());
}

#[test]
fn closed_with_everything_read_a_fin_leaves_and_the_engine_finishes_alone() {
    let (mut story, id) = story();
    story.tcp.close(id).unwrap();
    assert_eq!(story.tcp.read(id), Err(ReadError::Stale));
    assert_eq!(story.tcp.shutdown(id), Err(StaleId));
    assert_eq!(story.tcp.close(id), Err(StaleId));
    story.expect(&["F. 1 ack 1 fin"]);
    story.recv(seg("F.").seq(1).ack(2));
    story.out();
    assert!(story.tcp.is_empty());
    assert_eq!(story.tcp.time_wait_len(), 1);
    assert_eq!(story.events(), []);
}

#[test]
fn let_go_then_more_data_arrives_it_is_refused_by_a_reset() {
    let (mut story, id) = story();
    story.tcp.close(id).unwrap();
    story.out();
    story.recv(seg(".").seq(1).ack(2));
    let verdict = story.judge(seg("P.").seq(1).ack(2).data(b"late"));
    assert_eq!(verdict.rule.name, "tcp:orphan-data");
    let out = story.out();
    assert_eq!(out[0].why.name(), "reset-orphan-data");
    assert!(story.tcp.is_empty());
}

// RFC 9293 3.6.1 leaves it open; without it a silent peer keeps us for ever (bug 15, XA 088).
#[test]
fn let_go_in_fin_wait_2_peer_silent_forgotten_after_a_minute() {
    let (mut story, id) = story();
    story.tcp.close(id).unwrap();
    story.out();
    story.recv(seg(".").seq(1).ack(2));
    story.out();
    story.at(59_000).expect_state(State::FinWait2);
    assert!(!story.tcp.is_empty());
    story.at(60_000).out();
    assert!(story.tcp.is_empty());
}

#[test]
fn held_in_fin_wait_2_there_is_no_limit() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg(".").seq(1).ack(2));
    story.out();
    story.at(10_000_000).expect_state(State::FinWait2);
}

#[test]
fn aborted_a_reset_leaves_and_the_id_lives_until_closed() {
    let (mut story, id) = story();
    story.write(id, 5_000);
    story.tcp.abort(id).unwrap();
    story.expect(&["R. 1 ack 1 reset-aborted"]);
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Aborted)]);
    assert_eq!(
        story.tcp.read(id),
        Err(ReadError::Closed(CloseReason::Aborted))
    );
    story.tcp.close(id).unwrap();
    assert!(story.tcp.is_empty());
}

#[test]
fn peer_resets_program_is_told_and_unread_data_can_still_be_read() {
    let (mut story, id) = story();
    story.recv(seg("P.").seq(1).ack(1).data(b"last words"));
    story.recv(seg("R").seq(11));
    story.expect(&[]);
    assert_eq!(
        story.events(),
        [Event::Readable(id), Event::Closed(id, CloseReason::Reset)]
    );
    assert_eq!(story.read_all(id), b"last words");
    assert_eq!(
        story.tcp.read(id),
        Err(ReadError::Closed(CloseReason::Reset))
    );
    let mut data = outcrop_base::ChunkQueue::new();
    data.push_slice(b"x");
    assert_eq!(
        story.tcp.write(id, &mut data),
        Err(WriteError::Closed(CloseReason::Reset))
    );
}

// ---- TIME-WAIT ----

#[test]
fn time_wait_lasts_sixty_seconds() {
    let (mut story, _) = time_wait();
    story.at(59_999).expect_state(State::TimeWait);
    story.at(60_000).expect_state(State::Listen);
    assert_eq!(story.path_of_states().last(), Some(&"CLOSED"));
}

#[test]
fn fin_again_in_time_wait_acknowledged_and_the_clock_starts_anew() {
    let (mut story, _) = time_wait();
    story.at(30_000);
    story.recv(seg("F.").seq(1).ack(2));
    story.expect(&[". 2 ack 2 time-wait-ack"]);
    story.at(89_999).expect_state(State::TimeWait);
    story.at(90_000).expect_state(State::Listen);
}

// RFC 1337 3.
#[test]
fn reset_in_time_wait_is_ignored() {
    let (mut story, _) = time_wait();
    story.recv(seg("R").seq(2)).expect(&[]);
    story.expect_state(State::TimeWait);
}

#[test]
fn old_data_in_time_wait_is_acknowledged_but_not_for_ever() {
    let (mut story, _) = time_wait();
    let mut answers = 0;
    for _ in 0..100 {
        story.recv(seg(".").seq(0).ack(1).zeros(1));
        answers += story.out().len();
    }
    assert_eq!(answers, 5);
}

// RFC 1122 4.2.2.13 (a): a larger sequence number is a new incarnation; ours begins above the old.
#[test]
fn fresh_syn_in_time_wait_opens_the_next_incarnation() {
    let (mut story, _) = time_wait();
    let old_end = story.iss + 2;
    let verdict = story.judge(seg("S").seq(5_000).mss(1000));
    assert_eq!(verdict.rule.name, "tcp:time-wait-reuse");
    let out = story.out();
    assert_eq!(
        (out[0].flags.to_string(), out[0].ack),
        ("S.".into(), Some(5_001))
    );
    assert!(story.iss.after(old_end));
    story.expect_state(State::SynReceived);
}

#[test]
fn old_syn_in_time_wait_is_challenged() {
    let (mut story, _) = time_wait();
    story.recv(seg("S").seq(0));
    story.expect(&[". 2 ack 2 time-wait-ack"]);
    story.expect_state(State::TimeWait);
}

// RFC 6191 2: the timestamp decides where both have one, whatever the sequence number.
#[test]
fn syn_with_a_later_timestamp_in_time_wait_is_fresh_though_its_number_is_lower() {
    let settings = Settings {
        timestamps: true,
        ..plain()
    };
    let (mut story, _) = time_wait_with(settings, |seg, val| seg.ts(val, 0));
    story.recv(seg("S").seq(0).ts(50, 0));
    assert_eq!(story.out()[0].flags.to_string(), ".");
    story.recv(seg("S").seq(0).ts(500, 0));
    assert_eq!(story.out()[0].flags.to_string(), "S.");
}

#[test]
fn connecting_from_a_resting_tuple_is_refused_and_from_a_chosen_port_avoids_it() {
    let (mut story, _) = time_wait();
    let again = story
        .tcp
        .connect(story.local, story.remote, story.path, None);
    assert_eq!(again, Err(ConnectError::AlreadyExists));
}

// Bug 15 (XA 019): the end of TIME-WAIT must not take unread bytes with it.
#[test]
fn time_wait_over_bytes_nobody_read_are_still_there() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg("FP.").seq(1).ack(2).data(b"kept"));
    story.out();
    story.at(120_000).expect_state(State::Listen);
    assert_eq!(story.read_all(id), b"kept");
    assert_eq!(story.tcp.read(id), Ok(None));
    story.tcp.close(id).unwrap();
    assert!(story.tcp.is_empty());
}

#[test]
fn time_wait_table_full_the_oldest_leaves() {
    let mut story = Story::with_config(Config {
        time_wait_max: 3,
        time_wait: Duration::from_secs(60),
        settings: plain(),
        ..Config::default()
    });
    let listener = story.listen();
    for port in 1..=5 {
        story.remote.set_port(port);
        story.recv(seg("S"));
        story.out();
        story.recv(seg(".").seq(1).ack(1));
        let id = story.tcp.accept(listener).unwrap();
        story.tcp.close(id).unwrap();
        story.out();
        story.recv(seg("F.").seq(1).ack(2));
        story.out();
    }
    assert_eq!(story.tcp.time_wait_len(), 3);
    story.remote.set_port(1);
    story.expect_state(State::Listen);
    story.remote.set_port(5);
    story.expect_state(State::TimeWait);
}

#[test]
fn fresh_syn_before_the_last_ack_has_left_both_are_served() {
    let (mut story, id) = story();
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg("F.").seq(1).ack(2));
    story.recv(seg("S").seq(9_000));
    let lines = story.out();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0].line(), ". 2 ack 2 pure-ack");
    assert_eq!(lines[1].flags.to_string(), "S.");
}

#[test]
fn program_reads_no_more_data_after_our_fin_resets_bare_and_before_it_is_taken() {
    let deaf = Settings {
        deaf: true,
        ..plain()
    };
    let (mut story, id) = Story::established(deaf);
    story.recv(seg("P.").seq(1).ack(1).zeros(10));
    assert_eq!(story.read_all(id).len(), 10);
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg(".").seq(11).ack(2));
    story.recv(seg("P.").seq(11).ack(2).zeros(10));
    story.expect(&["R 2 reset-orphan-data"]);
    assert!(
        story
            .events()
            .contains(&Event::Closed(id, CloseReason::Aborted))
    );
}
