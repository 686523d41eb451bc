//! Anything at all, in any order: no panic, no stall, no flood of answers.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Seg, Story, plain, seg};
use outcrop_base::{PacketId, PathSignal, PathSignalKind};
use outcrop_tcp::{Flags, SackBlock, SeqNum, Settings, Timestamps};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Segment(Box<Seg>),
    Write(usize),
    Read,
    Shutdown,
    Close,
    Abort,
    Flush,
    Wait(u64),
    Path(u32, PathSignalKind),
}

/// Numbers close to where they matter.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0u32..4,
        3 => 0u32..3000,
        1 => any::<u32>(),
        1 => (0u32..3000).prop_map(|n| 0u32.wrapping_sub(n)),
    ]
}

fn flags() -> impl Strategy<Value = Flags> {
    prop_oneof![
        6 => Just(Flags::ACK),
        2 => Just(Flags::ACK | Flags::FIN),
        1 => Just(Flags::SYN),
        1 => Just(Flags::SYN | Flags::ACK),
        1 => Just(Flags::RST),
        2 => any::<u16>().prop_map(Flags::from_bits),
    ]
}

prop_compose! {
    fn segment()(
        flags in flags(),
        numbers in (number(), number()),
        wnd in prop_oneof![Just(0u16), 0u16..20, any::<u16>()],
        len in prop_oneof![3 => Just(0usize), 2 => 0usize..20, 1 => 0usize..3000],
        ts in prop::option::of((number(), number())),
        options in (prop::option::of(any::<u16>()), prop::option::of(any::<u8>()), any::<bool>()),
        blocks in prop::collection::vec((number(), number()), 0..4),
    ) -> Seg {
        let mut segment = seg("").seq(numbers.0).wnd(wnd).zeros(len);
        segment.header.flags = flags;
        if flags.ack() {
            segment = segment.ack(numbers.1);
        }
        let header = &mut segment.header.options;
        header.timestamps = ts.map(|(val, ecr)| Timestamps { val, ecr });
        (header.mss, header.wscale, header.sack_permitted) = options;
        for (left, right) in blocks {
            header.sack.push(SackBlock { left: SeqNum::new(left), right: SeqNum::new(right) });
        }
        segment
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => segment().prop_map(|segment| Step::Segment(Box::new(segment))),
        3 => (0usize..5000).prop_map(Step::Write),
        2 => Just(Step::Read),
        1 => Just(Step::Shutdown),
        1 => Just(Step::Close),
        1 => Just(Step::Abort),
        5 => Just(Step::Flush),
        3 => (0u64..100_000).prop_map(Step::Wait),
        1 => (number(), prop_oneof![
            any::<u32>().prop_map(PathSignalKind::TooBig),
            Just(PathSignalKind::Hard),
            Just(PathSignalKind::Soft),
            Just(PathSignalKind::Disrupted),
        ]).prop_map(|(seq, kind)| Step::Path(seq, kind)),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<bool>(), any::<bool>(), any::<bool>(), 1u32..200_000).prop_map(
        |(window_scale, timestamps, sack, receive_buffer)| Settings {
            window_scale,
            timestamps,
            sack,
            receive_buffer,
            send_buffer: 8_000,
            ..plain()
        },
    )
}

/// Everything that leaves now; more than a window's worth at one instant would be a loop.
fn flush(story: &mut Story) {
    for _ in 0..2_000 {
        let Some(plan) = story.tcp.poll_transmit(story.now) else {
            story.check();
            return;
        };
        story.read(&plan);
        story.check();
    }
    panic!("one instant, two thousand packets");
}

fn run(mut story: Story, mut id: Option<outcrop_tcp::ConnId>, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Segment(mut segment) => {
                let iss = story.iss;
                let mut blocks = outcrop_tcp::SackBlocks::new();
                for block in segment.header.options.sack.as_slice() {
                    blocks.push(SackBlock {
                        left: iss + block.left.value(),
                        right: iss + block.right.value(),
                    });
                }
                segment.header.options.sack = blocks;
                story.recv(*segment);
            }
            Step::Write(len) => {
                if let Some(id) = id {
                    let mut data = outcrop_base::ChunkQueue::from(bytes::Bytes::from(vec![7; len]));
                    let _any = story.tcp.write(id, &mut data);
                }
            }
            Step::Read => {
                if let Some(id) = id {
                    story.read_all(id);
                }
            }
            Step::Shutdown => {
                let _any = id.map(|id| story.tcp.shutdown(id));
            }
            Step::Close => {
                let _any = id.take().map(|id| story.tcp.close(id));
            }
            Step::Abort => {
                let _any = id.map(|id| story.tcp.abort(id));
            }
            Step::Flush => flush(&mut story),
            Step::Wait(ms) => {
                flush(&mut story);
                story.now += core::time::Duration::from_millis(ms);
                story.tcp.handle_timeout(story.now);
            }
            Step::Path(seq, kind) => {
                let signal = PathSignal {
                    flow: story.flow(),
                    seq: Some((story.iss + seq).value()),
                    kind,
                    id: PacketId(1),
                };
                let _any = story.tcp.handle_path(story.now, &signal);
            }
        }
        story.check();
        if let Some(listener) = story.listener {
            id = story.tcp.accept(listener).or(id);
        }
        while story.tcp.poll_event().is_some() {}
    }
    flush(&mut story);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn listening_anything_arrives_it_survives(
        settings in settings(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut story = Story::new(settings);
        story.listen();
        run(story, None, steps);
    }

    #[test]
    fn connecting_anything_arrives_it_survives(
        settings in settings(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut story = Story::new(settings);
        let id = story.connect();
        flush(&mut story);
        run(story, Some(id), steps);
    }

    #[test]
    fn established_anything_arrives_it_survives(
        settings in settings(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let syn = seg("S").mss(1000).wscale(2).ts(100, 0).sackok();
        let (story, id) = Story::established_by(settings, syn);
        run(story, Some(id), steps);
    }
}
