//! A recorded scenario's other future, as a page.
//!
//! Job: play a scenario with other fates for some packets and put both futures on one page.
//! Owns: what the reader is told of it. Does not know: how a fate comes about (`testkit`), or how a page is drawn
//! (`inspect`).

use std::io;

use outcrop_capture::Reader;
use outcrop_inspect::{Beside, InspectError, PageOptions, WhatIf, compare};
use outcrop_netem::Fault;
use outcrop_testkit::Side;
use outcrop_testkit::scenario::{Play, Recording};
use outcrop_testkit::what_if::{Change, WhatIfError, what_if, written};

/// Why there is no such page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FutureError {
    /// There is no such future.
    #[error(transparent)]
    WhatIf(#[from] WhatIfError),
    /// Our own recording was not readable: a defect of ours.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// As before.
    #[error(transparent)]
    Read(#[from] outcrop_capture::ReadError),
}

/// A future, played.
pub(crate) struct Future {
    /// As it was.
    before: Recording,
    /// With the changes.
    after: Recording,
    /// What `after` is a recording of.
    pub(crate) play: Play,
    /// Each change in words.
    told: Vec<String>,
    /// The last change, and whether it lost a packet of ours.
    last: (Change, bool),
}

impl Future {
    /// Plays the scenario as it was and with all of these changes; each means packets of the future before it.
    pub(crate) fn of(play: &Play, changes: &[Change]) -> Result<Self, FutureError> {
        let mut future: Option<Self> = None;
        for change in changes {
            let play = future.as_ref().map_or(play, |future| &future.play);
            let next = what_if(play, *change)?;
            let ours = next.from == Side::Right;
            let mut told = future
                .as_mut()
                .map_or_else(Vec::new, |f| core::mem::take(&mut f.told));
            told.push(words(*change, next.from));
            future = Some(Self {
                before: future.map_or(next.before, |first| first.before),
                after: next.after,
                play: next.play,
                told,
                last: (*change, ours && change.fault == Fault::Drop),
            });
        }
        future.ok_or_else(|| WhatIfError::NoChange(String::new()).into())
    }

    /// Both futures as a page.
    pub(crate) fn page(&self, name: &str, offer: WhatIf<'_>) -> Result<Vec<u8>, FutureError> {
        let told = format!(
            "What if {}? The scenario “{}” was played twice in virtual time, by the same engine, from the same seed, \
             {}: once as it was, once so. Everything that differs follows from that.",
            self.told.join(", and "),
            self.play.scenario,
            self.play.seed
        );
        let (last, lost) = self.last;
        let beside = Beside {
            names: ("as it was", "what if"),
            told: &told,
            turn: Some(last.packet),
            lost,
        };
        let options = PageOptions {
            what_if: offer,
            ..PageOptions::named(name)
        };
        let mut page = Vec::new();
        let mut after = Reader::new(&self.after.capture[..])?;
        let mut before = Reader::new(&self.before.capture[..])?;
        compare(&mut after, (&mut before, &beside), &options, &mut page)?;
        Ok(page)
    }

    /// The changed run's own capture.
    pub(crate) fn capture(&self) -> &[u8] {
        &self.after.capture
    }
}

fn words(change: Change, from: Side) -> String {
    let Change { packet, fault } = change;
    let whose = match from {
        Side::Left => "from the peer",
        Side::Right => "from this end",
    };
    let fate = match fault {
        Fault::Drop => "had been lost on the link".to_owned(),
        Fault::Duplicate => "had arrived twice".to_owned(),
        Fault::Corrupt => "had arrived with one bit flipped".to_owned(),
        Fault::Delay(by) => format!("had come {} ms later", by.as_secs_f64() * 1e3),
    };
    format!("packet #{packet}, {whose}, {fate}")
}

/// Where another fate is to be had over HTTP, for packets of this play: a change is added at the end.
pub(crate) fn address(at: &str, play: &Play) -> String {
    format!(
        "{at}?scenario={}&seed={}&faults={}&then=",
        play.scenario,
        play.seed,
        written(&play.faults)
    )
}

/// A play's recording as a page of its own.
pub(crate) fn recorded(
    recording: &Recording,
    options: &PageOptions<'_>,
) -> Result<Vec<u8>, FutureError> {
    let mut page = Vec::new();
    let mut reader = Reader::new(&recording.capture[..])?;
    outcrop_inspect::page_with(&mut reader, options, &mut page)?;
    Ok(page)
}

impl From<io::Error> for FutureError {
    fn from(error: io::Error) -> Self {
        Self::WhatIf(error.into())
    }
}
