//! What two programs do to each other over connections: a small language.
//!
//! Job: say it as data, read it from a line of text and write it back. Owns: the steps and what a program can
//! see. Does not know: any stack. A side reads whatever comes in every step but `stall`, so that two sides which
//! send at once never wait for each other.

use core::fmt;
use core::str::FromStr;

/// One thing a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Writes so many more bytes of its pattern.
    Send(u32),
    /// Waits until so many more bytes have come.
    Expect(u32),
    /// Waits for the end of what comes, and notes which end it was.
    End,
    /// No more to say; listens on.
    Finish,
    /// Resets the connection.
    Abort,
    /// Lets go.
    Close,
    /// Neither reads nor writes for so many milliseconds.
    Stall(u32),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(bytes) => write!(f, "send:{bytes}"),
            Self::Expect(bytes) => write!(f, "expect:{bytes}"),
            Self::End => f.write_str("end"),
            Self::Finish => f.write_str("finish"),
            Self::Abort => f.write_str("abort"),
            Self::Close => f.write_str("close"),
            Self::Stall(millis) => write!(f, "stall:{millis}"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let (name, number) = word.split_once(':').unwrap_or((word, ""));
        let number = || number.parse().map_err(|e| format!("{word}: {e}"));
        Ok(match name {
            "send" => Self::Send(number()?),
            "expect" => Self::Expect(number()?),
            "stall" => Self::Stall(number()?),
            "end" => Self::End,
            "finish" => Self::Finish,
            "abort" => Self::Abort,
            "close" => Self::Close,
            _ => return Err(format!("{word}: no such step")),
        })
    }
}

/// Who opens the connections of a script, and who is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Opener,
    Listener,
}

/// One connection: what each end does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) opener: Vec<Step>,
    pub(crate) listener: Vec<Step>,
}

impl Line {
    pub(crate) fn steps(&self, role: Role) -> &[Step] {
        match role {
            Role::Opener => &self.opener,
            Role::Listener => &self.listener,
        }
    }
}

/// A script: `[window BYTES] OPENER / LISTENER ; OPENER / LISTENER ..`; a line without `/` has nobody to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Receive buffer at both ends; as the host likes if `None`.
    pub(crate) window: Option<u32>,
    /// The connections, all at once.
    pub(crate) lines: Vec<Line>,
    /// Whether anybody listens.
    pub(crate) served: bool,
}

impl Script {
    fn has(&self, wanted: impl Fn(&Step) -> bool) -> bool {
        let all = |line: &Line| line.opener.iter().chain(&line.listener).any(&wanted);
        self.lines.iter().any(all)
    }

    /// Whether somebody resets: where that is lost nobody repeats it.
    pub(crate) fn resets(&self) -> bool {
        !self.served || self.has(|step| matches!(step, Step::Abort | Step::Close))
    }

    /// Whether the peer must know what letting go means, which smoltcp leaves to the program.
    pub(crate) fn lets_go(&self) -> bool {
        self.has(|step| *step == Step::Close)
    }

    /// Whether one side resets with bytes of its own on the way: how many arrive is anybody's guess.
    pub(crate) fn cuts_off(&self) -> bool {
        let cuts = |steps: &[Step]| {
            steps
                .windows(2)
                .any(|pair| matches!(pair, [Step::Send(_), Step::Abort]))
        };
        let of = |line: &Line| cuts(&line.opener) || cuts(&line.listener);
        self.lines.iter().any(of)
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(window) = self.window {
            write!(f, "window {window} ")?;
        }
        for (number, line) in self.lines.iter().enumerate() {
            let words = |steps: &[Step]| {
                let words: Vec<_> = steps.iter().map(ToString::to_string).collect();
                words.join(" ")
            };
            let then = if number == 0 { "" } else { " ; " };
            write!(f, "{then}{}", words(&line.opener))?;
            if self.served {
                write!(f, " / {}", words(&line.listener))?;
            }
        }
        Ok(())
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (window, text) = match text.strip_prefix("window ") {
            None => (None, text),
            Some(rest) => {
                let (number, rest) = rest.split_once(' ').ok_or("a window and nothing else")?;
                let number = number.parse().map_err(|e| format!("{number}: {e}"))?;
                (Some(number), rest)
            }
        };
        let mut script = Self {
            window,
            lines: Vec::new(),
            served: text.contains('/'),
        };
        let steps = |words: &str| {
            words
                .split_whitespace()
                .map(Step::from_str)
                .collect::<Result<Vec<_>, String>>()
        };
        for line in text.split(';') {
            let (opener, listener) = line.split_once('/').unwrap_or((line, ""));
            script.lines.push(Line {
                opener: steps(opener)?,
                listener: steps(listener)?,
            });
        }
        Ok(script)
    }
}

/// How a program saw a connection end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The peer had no more to say.
    Finished,
    /// Reset, told by a read or by a write.
    Reset,
    /// Nobody listens there.
    Refused,
    /// Anything else.
    Lost,
}

impl Seen {
    const ALL: [(Self, &str); 4] = [
        (Self::Finished, "finished"),
        (Self::Reset, "reset"),
        (Self::Refused, "refused"),
        (Self::Lost, "lost"),
    ];
}

/// What one end of one connection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Bytes that came.
    pub(crate) heard: u64,
    /// Their FNV-1a hash.
    pub(crate) hash: u64,
    /// The ends it saw, in order.
    pub(crate) seen: Vec<Seen>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.heard, self.hash)?;
        for seen in &self.seen {
            let name = Seen::ALL.iter().find(|(one, _)| one == seen);
            write!(f, ":{}", name.map_or("?", |(_, name)| name))?;
        }
        Ok(())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        let mut word = || {
            words
                .next()
                .ok_or_else(|| format!("{text}: not an outcome"))
        };
        let heard = word()?.parse().map_err(|e| format!("{text}: {e}"))?;
        let hash = u64::from_str_radix(word()?, 16).map_err(|e| format!("{text}: {e}"))?;
        let seen = words.map(|word| {
            let one = Seen::ALL.iter().find(|(_, name)| *name == word);
            one.map(|(seen, _)| *seen)
                .ok_or_else(|| format!("{text}: {word}?"))
        });
        let seen = seen.collect::<Result<_, _>>()?;
        Ok(Self { heard, hash, seen })
    }
}

/// The scripts, each with a name. What each end must see follows from the perfect pipe of `model`.
pub(crate) const SCRIPTS: &[(&str, &str)] = &[
    (
        "nothing is said, both finish at once",
        "finish end / finish end",
    ),
    (
        "nothing is said, the opener finishes first",
        "finish end / end finish",
    ),
    (
        "nothing is said, the listener finishes first",
        "end finish / finish end",
    ),
    (
        "a byte each way",
        "send:1 expect:1 finish end / expect:1 send:1 finish end",
    ),
    (
        "a question and an answer",
        "send:100 expect:5000 finish end / expect:100 send:5000 end finish",
    ),
    (
        "five turns",
        "send:10 expect:20 send:30 expect:40 send:50 finish end / expect:10 send:20 expect:30 send:40 expect:50 \
         end finish",
    ),
    (
        "the listener speaks first",
        "expect:300 send:200 end finish / send:300 expect:200 finish end",
    ),
    (
        "one full segment",
        "send:1460 finish end / expect:1460 end finish",
    ),
    (
        "one byte more than a segment",
        "send:1461 finish end / expect:1461 end finish",
    ),
    (
        "one byte less than 64 KiB",
        "send:65535 finish end / expect:65535 end finish",
    ),
    ("64 KiB and one byte", "finish end / send:65537 finish end"),
    ("a megabyte up", "send:1000000 finish end / end finish"),
    ("a megabyte down", "end finish / send:1000000 finish end"),
    (
        "three megabytes up",
        "send:3000000 finish end / expect:3000000 end finish",
    ),
    (
        "a megabyte each way at once",
        "send:1000000 expect:1000000 finish end / send:1000000 expect:1000000 finish end",
    ),
    (
        "half closed, then answered at length",
        "send:20000 finish expect:300000 end / expect:20000 end send:300000 finish",
    ),
    (
        "half closed by the listener, then answered",
        "expect:1000 end send:50000 finish / send:1000 finish expect:50000 end",
    ),
    (
        "the reader stalls until the window is shut",
        "send:900000 finish end / stall:300 end finish",
    ),
    (
        "both readers stall",
        "send:400000 stall:200 expect:400000 finish end / send:400000 stall:300 expect:400000 finish end",
    ),
    (
        "a pause in the middle",
        "send:10 stall:120 send:10 finish end / expect:20 finish end",
    ),
    (
        "small writes one after another",
        "send:1 send:2 send:3 send:4 send:5 send:6 send:7 send:8 send:9 finish end / expect:45 end finish",
    ),
    (
        "a small window",
        "window 8192 send:60000 finish end / expect:60000 end finish",
    ),
    (
        "small windows, both ways at once",
        "window 8192 send:50000 expect:50000 finish end / send:50000 expect:50000 finish end",
    ),
    (
        "a small window and a stall",
        "window 8192 send:40000 finish end / expect:1000 stall:150 expect:39000 end finish",
    ),
    (
        "the opener aborts",
        "send:10 expect:10 abort / expect:10 send:10 end",
    ),
    (
        "the listener aborts",
        "send:10 expect:10 end / expect:10 send:10 stall:50 abort",
    ),
    (
        "aborted while half closed",
        "send:10 finish end / expect:10 end stall:50 abort",
    ),
    (
        "a write into a reset",
        "expect:10 stall:100 send:10 stall:100 send:10 end / send:10 stall:50 abort",
    ),
    (
        "aborted with bytes on the way",
        "expect:1 send:500000 abort / send:1 end",
    ),
    (
        "aborted behind a shut window",
        "expect:1 send:500000 abort / send:1 stall:150 end",
    ),
    (
        "let go after the last byte",
        "send:200000 close / end finish",
    ),
    (
        "let go with bytes nobody has read",
        "send:1000 end / stall:100 close",
    ),
    (
        "words for one who has let go",
        "end send:10 stall:100 send:10 stall:100 send:10 / close",
    ),
    ("nobody listens", "end"),
    (
        "five connections at once",
        "send:1000 finish end / end finish ; send:200000 expect:100 finish end / expect:200000 send:100 end \
         finish ; finish end / finish end ; send:5 expect:5 abort / expect:5 send:5 end ; end finish / \
         send:300000 finish end",
    ),
];

#[test]
fn scripts_and_outcomes_survive_being_written_and_read() {
    for (name, text) in SCRIPTS {
        let script: Script = text.parse().unwrap();
        let again = script.to_string().parse();
        assert_eq!(again, Ok(script), "{name}");
    }
    let outcome = Outcome {
        heard: 7,
        hash: 0xabc,
        seen: vec![Seen::Finished, Seen::Reset],
    };
    assert_eq!(outcome.to_string().parse(), Ok(outcome));
    for bad in ["sing:5 / end", "send:x / end", "send: / end", "window 7"] {
        assert!(bad.parse::<Script>().is_err(), "{bad}");
    }
}
