//! Scripts out of chance.
//!
//! Job: draw scripts that come to an end and have one outcome. Owns: the odds, small sizes as likely as large
//! ones. Does not know: stacks. Both sides go through the same phases, so nobody waits for what nobody does.

use proptest::prelude::*;

use crate::script::{Line, Script, Step};

/// What happens between the two sides, one after another.
#[derive(Clone, Debug)]
enum Phase {
    /// The opener sends.
    Up(u32),
    /// The listener sends.
    Down(u32),
    /// Both do, at once.
    Both(u32, u32),
    /// The opener, then the listener, does nothing for a while.
    Stall(u32, u32),
}

/// How it ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Together,
    OpenerFirst,
    ListenerFirst,
    OpenerAborts,
    ListenerAborts,
    OpenerLetsGo,
    ListenerLetsGo,
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![
        1..50_u32,
        1..3_000_u32,
        1400..1500_u32,
        1..70_000_u32,
        1..400_000_u32
    ]
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        3 => size().prop_map(Phase::Up),
        3 => size().prop_map(Phase::Down),
        2 => (size(), size()).prop_map(|(up, down)| Phase::Both(up, down)),
        1 => (0..40_u32, 0..40_u32).prop_map(|(first, second)| Phase::Stall(first, second)),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::Together),
        Just(Ending::OpenerFirst),
        Just(Ending::ListenerFirst),
        Just(Ending::OpenerAborts),
        Just(Ending::ListenerAborts),
        Just(Ending::OpenerLetsGo),
        Just(Ending::ListenerLetsGo),
    ]
}

fn line(phases: &[Phase], ending: Ending) -> Line {
    let mut line = Line::default();
    for phase in phases {
        let (opener, listener) = match *phase {
            Phase::Up(bytes) => (vec![Step::Send(bytes)], vec![Step::Expect(bytes)]),
            Phase::Down(bytes) => (vec![Step::Expect(bytes)], vec![Step::Send(bytes)]),
            Phase::Both(up, down) => (
                vec![Step::Send(up), Step::Expect(down)],
                vec![Step::Send(down), Step::Expect(up)],
            ),
            Phase::Stall(first, second) => (vec![Step::Stall(first)], vec![Step::Stall(second)]),
        };
        line.opener.extend(opener);
        line.listener.extend(listener);
    }
    let (finish, follow) = ([Step::Finish, Step::End], [Step::End, Step::Finish]);
    // A byte that says: I have all of yours. Who resets before it may cut off what is on the way.
    let (nod, nodded) = (Step::Send(1), Step::Expect(1));
    let Line { opener, listener } = &mut line;
    match ending {
        Ending::Together => {
            opener.extend(finish);
            listener.extend(finish);
        }
        Ending::OpenerFirst => {
            opener.extend(finish);
            listener.extend(follow);
        }
        Ending::ListenerFirst => {
            opener.extend(follow);
            listener.extend(finish);
        }
        Ending::OpenerAborts => {
            opener.extend([nodded, Step::Abort]);
            listener.extend([nod, Step::End]);
        }
        Ending::ListenerAborts => {
            opener.extend([nod, Step::End]);
            listener.extend([nodded, Step::Abort]);
        }
        Ending::OpenerLetsGo => {
            opener.push(Step::Close);
            listener.extend(follow);
        }
        Ending::ListenerLetsGo => {
            opener.extend(follow);
            listener.push(Step::Close);
        }
    }
    line
}

/// A script: up to three connections at once.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    let window = prop_oneof![3 => Just(None), 1 => (6_000..40_000_u32).prop_map(Some)];
    let one = (prop::collection::vec(phase(), 0..5), ending())
        .prop_map(|(phases, ending)| line(&phases, ending));
    (window, prop::collection::vec(one, 1..4)).prop_map(|(window, lines)| Script {
        window,
        lines,
        served: true,
    })
}
