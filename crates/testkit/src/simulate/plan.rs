//! What a run will be.
//!
//! Job: turn a seed into links, outages, settings and programs. Owns: the odds. Does not know: engines.
//! Small things are as likely as large ones: bugs live at the edges.

use core::time::Duration;

use outcrop_base::{Random, Seed};
use outcrop_netem::Config as LinkConfig;
use outcrop_tcp::{AckStyle, Algorithm, EcnPolicy, Habits, KeepAlive, PathProbing, Settings};

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// Whether everything must arrive and finish in order.
    pub strict: bool,
    /// The link from each end to the other.
    pub links: [LinkConfig; 2],
    /// Whether the link is bad during the handshake as well.
    pub bad_from_start: bool,
    /// When the link passes nothing.
    pub outages: Vec<Outage>,
    /// The path's MTU, by when it changes; the first is from the start.
    pub mtus: Vec<(Duration, u32)>,
    /// Whether packets that are too large vanish, until the link is perfect; else a router says so.
    pub silent: bool,
    /// Every so many packets, one that may be marked is; zero marks none.
    pub marks_every: u64,
    /// Bytes between each end's ISN and the end of the number circle.
    pub before_wrap: [u32; 2],
    /// The two ends. The second one connects.
    pub ends: [End; 2],
}

/// A time without a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub from: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// Which directions it hits: from the first end, from the second.
    pub hits: [bool; 2],
}

/// One end: an engine's settings and a program.
#[derive(Clone, Debug)]
pub struct End {
    /// Settings of its connections.
    pub settings: Settings,
    /// Bytes it sends.
    pub len: usize,
    /// The most it writes at a time.
    pub chunk: usize,
    /// When it does not read, and for how long.
    pub stalls: Vec<(Duration, Duration)>,
    /// When it begins to write.
    pub starts: Duration,
    /// How it leaves.
    pub leaves: Leave,
}

impl End {
    /// Whether it finds out by itself how large a packet the path takes.
    fn searches(&self) -> bool {
        self.settings.path_probing != PathProbing::Off
    }
}

/// How a program leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Shuts down after its last byte, closes after the peer's last.
    InOrder,
    /// The same, but waits for the peer to finish before it shuts down.
    AfterPeer,
    /// Lets go after its last byte, whatever comes.
    LetsGo,
    /// Lets go at this time.
    LetsGoAt(Duration),
    /// Aborts at this time.
    Aborts(Duration),
}

/// When the link becomes perfect: from here on, everything must come to an end.
pub(super) const FAULTS_END: Duration = Duration::from_secs(600);

/// Keep-alive's idle time in a strict run: only there for an end whose peer gave up during the handshake. It
/// lies beyond the patience with connections that were opened, so that it hides no deadlock.
const SILENCE: Duration = Duration::from_secs(3 * 3600);

impl Plan {
    /// The run of a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Dice(Seed::from_number(seed).random("plan"));
        let mut habits = Dice(Seed::from_number(seed).random("habits"));
        let strict = dice.chance(0.6);
        let tiny = dice.chance(0.3);
        let mut first = dice.end(strict, tiny, true);
        let second_may_wait = first.leaves != Leave::AfterPeer;
        let mut second = dice.end(strict, tiny, second_may_wait);
        habits.dress(&mut first.settings);
        habits.dress(&mut second.settings);
        let severity = dice.pick([0.0, 0.02, 0.1, 0.3]);
        let mut link = dice.link(severity);
        let mut back = if dice.chance(0.5) {
            link.clone()
        } else {
            dice.link(severity)
        };
        for link in [&mut link, &mut back] {
            link.mark = habits.pick([0.0, 0.0, 0.01, 0.1, 0.5]);
        }
        // Drawn apart, so that what was drawn before stays as it was.
        let mut extras = Dice(Seed::from_number(seed).random("extras"));
        let [first, second] = [first, second].map(|end| extras.equip(end));
        // Where an end does not search, silence is where it ends.
        let searching = [&first, &second].into_iter().all(End::searches);
        let silent = extras.chance(0.3) && searching;
        Self {
            seed,
            strict,
            links: [link, back],
            bad_from_start: dice.chance(0.3),
            outages: dice.outages(),
            mtus: dice.mtus(),
            silent,
            marks_every: extras.pick([0, 0, 2, 7, 50]),
            before_wrap: [dice.size(400_000), dice.size(400_000)],
            ends: [first, second],
        }
    }

    /// Whether an aborted or abandoned connection may leave its peer to find out by itself.
    #[must_use]
    pub const fn is_rough(&self) -> bool {
        !self.strict
    }
}

struct Dice(Random);

impl Dice {
    fn chance(&mut self, p: f64) -> bool {
        self.0.unit() < p
    }

    fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.0.below(n as u64)).unwrap_or(0)
    }

    fn pick<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        let at = self.index(N).min(N - 1);
        from.get(at).copied().unwrap_or(from[0])
    }

    /// Up to `max`, every magnitude as likely as any other.
    fn size(&mut self, max: u32) -> u32 {
        let bits = u64::from(u32::BITS - max.leading_zeros());
        let magnitude = 1_u64 << self.0.below(bits + 1);
        u32::try_from(self.0.below(magnitude))
            .unwrap_or(max)
            .min(max)
    }

    fn millis(&mut self, max: u32) -> Duration {
        Duration::from_millis(u64::from(self.size(max)))
    }

    fn link(&mut self, severity: f64) -> LinkConfig {
        let mut odds = |share: f64| self.0.unit() * severity * share;
        let (loss, duplicate, corrupt, reorder) = (odds(1.0), odds(0.5), odds(0.2), odds(1.0));
        LinkConfig {
            // Never zero: a window of one byte would move a whole stream in one instant.
            delay: self.millis(250) + Duration::from_micros(10),
            jitter: self.millis(40),
            rate: self
                .chance(0.3)
                .then(|| 20_000 + u64::from(self.size(5_000_000))),
            queue: self.chance(0.5).then(|| 20_000 + self.index(200_000)),
            loss,
            duplicate,
            corrupt,
            reorder,
            reorder_by: self.millis(400),
            ..LinkConfig::default()
        }
    }

    fn outages(&mut self) -> Vec<Outage> {
        let count = self.pick([0, 0, 1, 3]);
        let hits = [[true, true], [true, false], [false, true]];
        (0..count)
            .map(|_| Outage {
                from: self.millis(20_000),
                lasts: self.millis(120_000),
                hits: self.pick(hits),
            })
            .collect()
    }

    fn mtus(&mut self) -> Vec<(Duration, u32)> {
        let sizes = [576, 1006, 1280, 1500, 9000];
        let mut mtus = vec![(Duration::ZERO, self.pick(sizes))];
        while self.chance(0.3) {
            mtus.push((self.millis(5_000), self.pick(sizes)));
        }
        mtus
    }

    fn settings(&mut self, strict: bool, tiny: bool) -> Settings {
        let buffer = |dice: &mut Self| {
            if tiny {
                1 + dice.size(6_000)
            } else {
                1_000 + dice.size(2_000_000)
            }
        };
        let probes = if strict { u8::MAX } else { 5 };
        let idle = if !strict || self.chance(0.1) {
            Duration::from_secs(10)
        } else {
            SILENCE
        };
        let nodelay = self.chance(0.5);
        let delayed_ack = Duration::from_millis(self.pick([0, 40, 200, 400]));
        let (receive_buffer, send_buffer) = (buffer(self), buffer(self));
        // Half of them stay as they are.
        let grows = |size: u32| size.is_multiple_of(2).then(|| size.saturating_mul(16));
        Settings {
            nodelay,
            delayed_ack,
            keep_alive: Some(KeepAlive {
                idle,
                interval: Duration::from_secs(5),
                probes,
            }),
            user_timeout: strict.then_some(Duration::from_secs(24 * 3600)),
            receive_buffer,
            receive_buffer_max: grows(receive_buffer),
            send_buffer,
            send_buffer_max: grows(send_buffer),
            window_scale: self.chance(0.7),
            timestamps: self.chance(0.7),
            sack: self.chance(0.7),
            mss: self
                .chance(0.2)
                .then(|| u16::try_from(48 + self.size(1_400)).unwrap_or(536)),
            congestion: self.pick([Algorithm::NewReno, Algorithm::Cubic]),
            ..Settings::default()
        }
    }

    /// What the path may ask of an end.
    fn equip(&mut self, mut end: End) -> End {
        use EcnPolicy::{Accept, AcceptAccurate, Accurate, Off, Request};
        end.settings.ecn = self.pick([Off, Accept, Request, AcceptAccurate, Accurate]);
        end.settings.path_probing = self.pick([
            PathProbing::Off,
            PathProbing::OnBlackHole,
            PathProbing::Always,
        ]);
        end
    }

    /// What an end does where standards leave a choice.
    fn dress(&mut self, settings: &mut Settings) {
        settings.ecn = self.pick([EcnPolicy::Off, EcnPolicy::Accept, EcnPolicy::Request]);
        if self.chance(0.25) {
            settings.congestion = Algorithm::Bbr;
        }
        settings.ack_style = self.pick([
            AckStyle::Adaptive,
            AckStyle::Adaptive,
            AckStyle::Eager,
            AckStyle::EverySecond,
        ]);
        settings.habits = Habits {
            slow_start_limit: self.pick([Some(8), Some(8), Some(2), None]),
            reduce_window: self.chance(0.3),
            count_delivered: false,
        };
        settings.pacing = self.chance(0.2);
        settings.window_opens_slowly = self.chance(0.3);
        settings.keep_unused_window = self.chance(0.3);
        settings.receive_buffer_max = self.chance(0.3).then_some(4 << 20);
        settings.send_buffer_max = self.chance(0.3).then_some(4 << 20);
    }

    fn end(&mut self, strict: bool, tiny: bool, may_wait: bool) -> End {
        let len = self.size(if tiny { 8_000 } else { 60_000 }) as usize;
        let stalls = self.pick([0, 0, 1, 2]);
        let leaves = match self.index(if strict { 2 } else { 5 }) {
            0 => Leave::InOrder,
            1 if may_wait => Leave::AfterPeer,
            1 => Leave::InOrder,
            2 => Leave::LetsGo,
            3 => Leave::LetsGoAt(self.millis(30_000)),
            _ => Leave::Aborts(self.millis(30_000)),
        };
        End {
            settings: self.settings(strict, tiny),
            len,
            chunk: 1 + self.size(20_000) as usize,
            stalls: (0..stalls)
                .map(|_| (self.millis(10_000), self.millis(60_000)))
                .collect(),
            starts: if self.chance(0.3) {
                self.millis(5_000)
            } else {
                Duration::ZERO
            },
            leaves,
        }
    }
}
