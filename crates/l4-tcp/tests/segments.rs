//! What a segment may carry, and how much: RFC 9293 3.1, 3.2, 3.5.3, 3.7.1.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_base::Path;
use outcrop_tcp::{CloseReason, Event, Settings};

// MUST-16: Eff.snd.MSS is the peer's limit or the path's, less every option of this very segment.
#[test]
fn options_take_their_room_from_the_text_and_no_segment_exceeds_the_limit() {
    let settings = Settings {
        timestamps: true,
        sack: true,
        ..plain()
    };
    let syn = seg("S").mss(1000).ts(1, 0).sackok();
    let (mut story, id) = Story::established_by(settings, syn);
    story.write(id, 988);
    assert_eq!(story.out()[0].data.len(), 988, "1000 less timestamps");
    story.recv(seg(".").seq(1).ack(989).ts(2, 0));
    // A gap: from now on a SACK block takes another twelve.
    story.recv(seg("P.").seq(101).ack(989).zeros(100).ts(3, 0));
    story.out();
    story.write(id, 3_000);
    let out = story.out();
    assert!(!out[0].options.sack.is_empty());
    assert_eq!(out[0].data.len(), 1000 - 12 - 12);
}

#[test]
fn path_is_narrower_than_the_peer_allows_the_path_decides() {
    let mut story = Story::new(plain());
    story.path = Path::plain(576);
    let id = story.connect();
    assert_eq!(
        story.out()[0].options.mss,
        Some(536),
        "MUST-67: what IP takes less 40"
    );
    story.recv(seg("S.").ack(1).mss(1460));
    story.write(id, 1_072);
    let sizes: Vec<_> = story.out().iter().map(|sent| sent.data.len()).collect();
    assert_eq!(sizes, [536, 536]);
}

// MUST-65, MUST-14, SHLD-5, MAY-3: in every SYN, and in nothing else of a whole life.
#[test]
fn segment_size_is_announced_in_syns_and_nowhere_else() {
    let settings = Settings::default();
    let syn = seg("S").mss(1000).ts(1, 0).sackok().wscale(3);
    let mut story = Story::new(settings);
    let listener = story.listen();
    story.recv(syn);
    let syn_ack = story.out();
    assert_eq!(
        syn_ack[0].options.mss,
        Some(1_000),
        "the path's 1040 less 40"
    );
    story.recv(seg(".").seq(1).ack(1).ts(2, 0));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 3_000);
    story.recv(seg("P.").seq(5).ack(1).data(b"x").ts(3, 0));
    story.tcp.shutdown(id).unwrap();
    let mut all = story.out();
    while let Some((_, sent)) = story.wait_output(10_000) {
        all.push(sent);
    }
    story.tcp.abort(id).unwrap();
    all.extend(story.out());
    assert!(all.len() > 5, "text, acknowledgments, repeats, a reset");
    for sent in all {
        assert_eq!(sent.options.mss, None, "{}", sent.line());
        assert_eq!(sent.options.wscale, None, "{}", sent.line());
    }
}

// SHLD-2: a reset may say why, in text that nobody reads.
#[test]
fn reset_with_text_ends_the_connection_like_any_other() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg("R.").seq(1).ack(1).data(b"no more"));
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Reset)]);
    assert!(story.tcp.read(id).is_err(), "not a byte of it is text");
    story.expect(&[]);
}

// MUST-12: the two ways in which a peer goes away are two things to the program.
#[test]
fn peer_finishes_or_resets_the_program_can_tell_which() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg("F.").seq(1).ack(1));
    assert_eq!(story.events(), [Event::Readable(id)]);
    assert_eq!(story.tcp.read(id), Ok(None), "in order");
    let (mut story, id) = Story::established(plain());
    story.recv(seg("R").seq(1));
    assert_eq!(story.events(), [Event::Closed(id, CloseReason::Reset)]);
    let error = outcrop_tcp::ReadError::Closed(CloseReason::Reset);
    assert_eq!(story.tcp.read(id), Err(error), "aborted");
}
