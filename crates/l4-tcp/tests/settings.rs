//! What a program may set about sizes and windows, one story each.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_tcp::{Event, Settings};

#[test]
fn window_clamped_no_larger_window_is_ever_offered() {
    let settings = Settings {
        window_clamp: Some(4_000),
        receive_buffer: 1 << 20,
        receive_buffer_max: None,
        window_scale: true,
        ..plain()
    };
    let mut story = Story::new(settings);
    let listener = story.listen();
    story.recv(seg("S").mss(1000).wscale(7));
    let answer = story.out().remove(0);
    assert_eq!((answer.wnd, answer.options.wscale), (4_000, Some(0)));
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    for segment in 0..8 {
        story.recv(seg("P.").seq(1 + 1000 * segment).ack(1).zeros(1000));
        story.read_all(id);
        assert!(story.out().iter().all(|sent| sent.wnd <= 4_000));
    }
}

// SHLD-17 and MUST-14: a program's own segment size is announced, and kept to.
#[test]
fn maximum_segment_set_it_is_announced_and_not_exceeded() {
    let settings = Settings {
        mss: Some(600),
        ..plain()
    };
    let mut story = Story::new(settings);
    let listener = story.listen();
    story.recv(seg("S").mss(1000));
    assert_eq!(story.out()[0].options.mss, Some(600));
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, 1_200);
    let sizes: Vec<_> = story.out().iter().map(|sent| sent.data.len()).collect();
    assert_eq!(sizes, [600, 600]);
}

#[test]
fn maximum_segment_set_above_the_path_the_path_decides() {
    let mut story = Story::new(Settings {
        mss: Some(9_000),
        ..plain()
    });
    story.listen();
    story.recv(seg("S").mss(9_000));
    assert_eq!(story.out()[0].options.mss, Some(1_000), "MTU 1040 less 40");
}

#[test]
fn quick_ack_every_short_segment_is_acknowledged_at_once() {
    let (mut story, id) = Story::established(Settings {
        quickack: true,
        ..plain()
    });
    for n in 0..40u32 {
        story.recv(seg("P.").seq(1 + n).ack(1).data(b"x"));
        story.read_all(id);
        let out = story.out();
        assert_eq!((out.len(), out[0].ack), (1, Some(2 + n)));
    }
}

#[test]
fn unsent_mark_reached_write_takes_no_more_until_half_of_it_has_left() {
    let settings = Settings {
        notsent_lowat: Some(4_000),
        nodelay: true,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.recv(seg(".").seq(1).ack(1).wnd(1_000));
    assert_eq!(story.write(id, 10_000), 4_000, "none sent yet");
    story.out();
    assert_eq!(story.events(), [], "3,000 are unsent");
    story.recv(seg(".").seq(1).ack(1001).wnd(1_000));
    story.out();
    assert_eq!(story.events(), [Event::Writable(id)], "2,000 are unsent");
    assert_eq!(story.write(id, 10_000), 2_000);
}

// The mark bounds what waits, not what flies: the pipe stays full.
#[test]
fn unsent_mark_is_small_a_wide_window_is_filled_all_the_same() {
    let settings = Settings {
        notsent_lowat: Some(2_000),
        nodelay: true,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    let mut written = 0;
    for _ in 0..5 {
        written += story.write(id, 10_000);
        story.out();
        assert_eq!(story.events(), [Event::Writable(id)]);
    }
    assert_eq!(written, 10_000);
    assert_eq!(story.tcp.info(id).unwrap().in_flight, 10_000);
}
