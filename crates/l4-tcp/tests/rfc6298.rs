//! RFC 6298, the retransmission timer: expected values by the document's formulas, computed here.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Story, plain, seg};
use outcrop_base::FactKind;
use outcrop_tcp::{ConnId, Settings};

const MS: Duration = Duration::from_millis(1);

/// A connection whose handshake took this long, as a client without options.
fn connected_after(ms: u64, settings: Settings) -> (Story, ConnId) {
    let mut story = Story::new(settings);
    let id = story.connect();
    story.out();
    story.at(ms);
    story.recv(seg("S.").ack(1).mss(1000));
    story.out();
    (story, id)
}

/// Section 2, with the document's G replaced by our floor of 200 ms (D-01).
struct Formula {
    srtt: f64,
    rttvar: f64,
}

impl Formula {
    fn first(r: f64) -> Self {
        Self {
            srtt: r,
            rttvar: r / 2.0,
        }
    }

    fn next(&mut self, r: f64) {
        self.rttvar = 0.75 * self.rttvar + 0.25 * (self.srtt - r).abs();
        self.srtt = 0.875 * self.srtt + 0.125 * r;
    }

    fn rto(&self) -> f64 {
        self.srtt + (4.0 * self.rttvar).max(200.0)
    }
}

#[track_caller]
fn assert_near(have: Duration, want_ms: f64) {
    let have = have.as_secs_f64() * 1_000.0;
    assert!((have - want_ms).abs() < 0.01, "{have} ms, not {want_ms}");
}

// 2.2: RTO = R + max(G, 4 R/2), from the handshake's round trip.
#[test]
fn handshake_takes_r_the_first_timeout_is_r_and_four_times_half_of_it() {
    for (r, want) in [(300, 900), (1_000 - 1, 2_997), (20, 220)] {
        let (mut story, id) = connected_after(r, plain());
        story.write(id, 100);
        assert_eq!(story.out().len(), 1);
        let (at, again) = story.wait_output(60_000).unwrap();
        assert_eq!((at, again.why.name()), (r + want, "rto"), "R = {r}");
    }
}

// 2.3, a dozen samples against the formulas; one segment a round trip.
#[test]
fn each_sample_moves_the_timeout_by_the_formulas() {
    let (mut story, id) = connected_after(80, plain());
    let mut formula = Formula::first(80.0);
    let mut now = 80;
    for (n, r) in [100, 270, 90, 95, 350, 450, 100, 100, 60, 300, 110, 100]
        .into_iter()
        .enumerate()
    {
        story.write(id, 10);
        assert_eq!(story.out().len(), 1);
        // A repetition on the way would make the sample ambiguous.
        let r = r.min(formula.rto() as u64 - 1);
        now += r;
        story.at(now);
        story.recv(seg(".").seq(1).ack(1 + 10 * (n as u32 + 1)));
        formula.next(r as f64);
        let info = story.tcp.info(id).unwrap();
        assert_near(info.srtt.unwrap(), formula.srtt);
        assert_near(info.rttvar.unwrap(), formula.rttvar);
        assert_near(info.rto, formula.rto());
    }
}

// 5.7: the SYN's timer ran out; 3 s when data transmission begins, and no sample of the handshake (3).
#[test]
fn syn_had_to_be_repeated_the_first_timeout_of_data_is_three_seconds() {
    let mut story = Story::new(plain());
    let id = story.connect();
    story.out();
    let (at, _) = story.wait_output(10_000).unwrap();
    assert_eq!(at, 1_000, "2.1");
    story.at(1_100);
    story.recv(seg("S.").ack(1).mss(1000));
    story.out();
    story.write(id, 100);
    story.out();
    assert_eq!(story.tcp.info(id).unwrap().srtt, None);
    let (at, _) = story.wait_output(60_000).unwrap();
    assert_eq!(at, 1_100 + 3_000);
}

// 5.7 on the other side: our SYN-ACK had to be repeated.
#[test]
fn syn_ack_had_to_be_repeated_the_first_timeout_of_data_is_three_seconds() {
    let mut story = Story::new(plain());
    let listener = story.listen();
    story.recv(seg("S").mss(1000));
    story.out();
    let (at, _) = story.wait_output(10_000).unwrap();
    assert_eq!(at, 1_000);
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 100);
    story.out();
    assert_eq!(story.wait_output(60_000).unwrap().0, 1_000 + 3_000);
}

// 2.5 and 5.5: doubled each time, bounded by 120 s, which is at least 60.
#[test]
fn silence_doubles_the_wait_up_to_two_minutes() {
    let settings = Settings {
        user_timeout: Some(Duration::MAX),
        ..plain()
    };
    let (mut story, id) = connected_after(400, settings);
    story.write(id, 100);
    story.out();
    let mut before = 400;
    for want in [
        1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 76_800, 120_000, 120_000,
    ] {
        let (at, again) = story.wait_output(10_000_000).unwrap();
        assert_eq!((at - before, again.seq, again.data.len()), (want, 1, 100));
        before = at;
    }
}

// 3, Karn: without timestamps the answer to a retransmission is no sample, and the doubled timeout stays until one comes.
#[test]
fn answer_to_a_retransmission_is_no_sample_and_the_backoff_stays() {
    let (mut story, id) = connected_after(400, plain());
    story.write(id, 100);
    story.out();
    story.wait_output(60_000).unwrap();
    story.at(1_700);
    story.recv(seg(".").seq(1).ack(101));
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.srtt, info.rto), (Some(400 * MS), 2_400 * MS));
    story.write(id, 100);
    story.out();
    story.at(2_100);
    story.recv(seg(".").seq(1).ack(201));
    // 2.3 with R = 400: RTTVAR = 3/4 of 200.
    assert_eq!(story.tcp.info(id).unwrap().rto, (400 + 600) * MS);
}

// 3: with timestamps it is one, of the transmission the echo names; the backoff ends.
#[test]
fn answer_to_a_retransmission_with_its_timestamp_is_a_sample() {
    let settings = Settings {
        timestamps: true,
        ..plain()
    };
    let mut story = Story::new(settings);
    let id = story.connect();
    let syn = story.out()[0].options.timestamps.unwrap().val;
    story.at(400);
    story.recv(seg("S.").ack(1).mss(1000).ts(1, syn));
    story.out();
    story.write(id, 100);
    story.out();
    let (at, again) = story.wait_output(60_000).unwrap();
    assert_eq!(at, 400 + 1_200);
    story.at(1_700);
    let val = again.options.timestamps.unwrap().val;
    story.recv(seg(".").seq(1).ack(101).ts(2, val));
    let mut formula = Formula::first(400.0);
    formula.next(100.0);
    let info = story.tcp.info(id).unwrap();
    assert_near(info.srtt.unwrap(), formula.srtt);
    assert_near(info.rto, formula.rto());
}

// 3: at least one sample a round trip; here each acknowledgment of a bulk transfer brings one.
#[test]
fn bulk_transfer_each_acknowledgment_is_a_sample() {
    let (mut story, id) = connected_after(100, plain());
    story.write(id, 200_000);
    let (mut acked, mut now) = (1, 100);
    for _ in 0..6 {
        let sent: u32 = story.out().iter().map(|s| s.data.len() as u32).sum();
        now += 100;
        story.at(now);
        story.facts.clear();
        acked += sent;
        story.recv(seg(".").seq(1).ack(acked));
        let samples: Vec<_> = story
            .facts
            .iter()
            .filter_map(|fact| {
                if let FactKind::Rtt { sample, .. } = fact.kind {
                    Some(sample)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(samples, [100 * MS], "at {now}");
    }
}

// 5.1 to 5.3: started by data, restarted by new acknowledgments only, off when nothing is outstanding.
#[test]
fn timer_runs_from_the_first_byte_and_anew_from_each_new_acknowledgment() {
    // Handshake of 400 ms: RTO 1200; a window of one segment at a time would not show 5.3.
    let (mut story, id) = connected_after(400, plain());
    assert!(story.wait_output(5_000).is_none(), "nothing sent, no timer");
    story.at(5_000);
    story.write(id, 3_000);
    assert_eq!(story.out().len(), 3);
    story.at(5_400);
    story.recv(seg(".").seq(1).ack(1001));
    // 5.3 with R = 400 again: RTO = 400 + 4 * 150 (three segments are less than one sample expected each).
    let rto = story.tcp.info(id).unwrap().rto.as_millis() as u64;
    story.at(5_500);
    story.recv(seg(".").seq(1).ack(1001));
    let (at, again) = story.wait_output(60_000).unwrap();
    assert_eq!(
        (at, again.seq),
        (5_400 + rto, 1001),
        "a duplicate restarts nothing"
    );
    // 5.4: the earliest segment only. 5.6: the next wait is twice as long.
    story.expect(&[]);
    let (next, _) = story.wait_output(60_000).unwrap();
    assert_eq!(next - at, 2 * rto);
    story.recv(seg(".").seq(1).ack(3001));
    assert!(
        story.wait_output(1_000_000).is_none(),
        "5.2: all is acknowledged"
    );
}
