//! A link as people write it.
//!
//! Job: read `delay=20ms,loss=1%,rate=100mbit,queue=64k` into settings, `delay:20ms` into a fault, or say in one
//! sentence why not.
//! Owns: names and units. Does not know: what follows from a setting.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use thiserror::Error;

use crate::{Config, Fault};

/// Why a link could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A word that is not `name=value`.
    #[error("`{0}` is not NAME=VALUE, such as delay=20ms")]
    NotASetting(String),
    /// A name nobody knows.
    #[error(
        "`{0}` is no setting of a link: there are delay, jitter, rate, queue, loss, duplicate, corrupt, mark, \
         reorder and reorder-by"
    )]
    Unknown(String),
    /// A name given twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A fault nobody knows.
    #[error(
        "`{0}` befalls no packet: there are drop, duplicate, corrupt and delay:TIME, such as delay:200ms"
    )]
    Fault(String),
    /// A value that makes no sense.
    #[error("{name}={value}: give {example}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What could have been.
        example: &'static str,
    },
}

/// Bytes that may wait where a rate is given and no queue: a link in text has bounded memory.
pub const DEFAULT_QUEUE: usize = 256 * 1024;

const TIME: &str = "a time such as 20ms, 500us or 1.5s, at most an hour";
const CHANCE: &str = "a chance from 0% to 100%, such as 0.1%";
const RATE: &str = "bits a second such as 100mbit, 64kbit or 1gbit";
const BYTES: &str = "bytes such as 64k, 1500 or 4m, at most 1 GiB";

/// The longest time and the largest queue that make sense.
const LONGEST: f64 = 3600.0;
const LARGEST: f64 = 1_073_741_824.0;

impl FromStr for Config {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut config = Self::default();
        let mut named: Vec<&str> = Vec::new();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| ParseError::NotASetting(word.to_owned()))?;
            if named.contains(&name) {
                return Err(ParseError::Twice(name.to_owned()));
            }
            named.push(name);
            set(&mut config, name, value)?;
        }
        if config.rate.is_some() && config.queue.is_none() {
            config.queue = Some(DEFAULT_QUEUE);
        }
        if config.reorder > 0.0 && config.reorder_by.is_zero() {
            // Long enough for a few packets to pass.
            config.reorder_by = Duration::from_millis(5);
        }
        Ok(config)
    }
}

/// As it is written: `drop`, `duplicate`, `corrupt`, `delay:20ms`.
impl FromStr for Fault {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once(':') {
            None if text == "drop" => Ok(Self::Drop),
            None if text == "duplicate" => Ok(Self::Duplicate),
            None if text == "corrupt" => Ok(Self::Corrupt),
            Some(("delay", by)) => time("delay", by).map(Self::Delay),
            None | Some(_) => Err(ParseError::Fault(text.to_owned())),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drop => f.write_str("drop"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Corrupt => f.write_str("corrupt"),
            Self::Delay(by) => match by.subsec_nanos() % 1_000_000 {
                0 => write!(f, "delay:{}ms", by.as_millis()),
                _ => write!(f, "delay:{}ns", by.as_nanos()),
            },
        }
    }
}

fn set(config: &mut Config, name: &str, value: &str) -> Result<(), ParseError> {
    match name {
        "delay" => config.delay = time("delay", value)?,
        "jitter" => config.jitter = time("jitter", value)?,
        "reorder-by" => config.reorder_by = time("reorder-by", value)?,
        "rate" => config.rate = Some(rate(value)?),
        "queue" => config.queue = Some(bytes(value)?),
        "loss" => config.loss = chance("loss", value)?,
        "duplicate" => config.duplicate = chance("duplicate", value)?,
        "corrupt" => config.corrupt = chance("corrupt", value)?,
        "mark" => config.mark = chance("mark", value)?,
        "reorder" => config.reorder = chance("reorder", value)?,
        _ => return Err(ParseError::Unknown(name.to_owned())),
    }
    Ok(())
}

/// A number and one of these units, scaled, if it is from `least` to `most`.
fn scaled(value: &str, units: &[(&str, f64)], least: f64, most: f64) -> Option<f64> {
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = value.split_at(digits.unwrap_or(value.len()));
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    let scaled = number.parse::<f64>().ok()? * scale;
    (least <= scaled && scaled <= most).then_some(scaled)
}

fn wrong(name: &'static str, value: &str, example: &'static str) -> ParseError {
    let value = value.to_owned();
    ParseError::Value {
        name,
        value,
        example,
    }
}

fn time(name: &'static str, value: &str) -> Result<Duration, ParseError> {
    let units = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    scaled(value, &units, 0.0, LONGEST)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| wrong(name, value, TIME))
}

fn chance(name: &'static str, value: &str) -> Result<f64, ParseError> {
    scaled(value, &[("%", 0.01)], 0.0, 1.0).ok_or_else(|| wrong(name, value, CHANCE))
}

/// In bytes a second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between the bounds given to `scaled`"
)]
fn rate(value: &str) -> Result<u64, ParseError> {
    let units = [("bit", 1.0), ("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)];
    scaled(value, &units, 8.0, 1e12)
        .map(|bits| (bits / 8.0) as u64)
        .ok_or_else(|| wrong("rate", value, RATE))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between the bounds given to `scaled`"
)]
fn bytes(value: &str) -> Result<usize, ParseError> {
    let units = [("", 1.0), ("k", 1024.0), ("m", 1_048_576.0)];
    scaled(value, &units, 1.0, LARGEST)
        .map(|bytes| bytes as usize)
        .ok_or_else(|| wrong("queue", value, BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_words_is_the_link_meant() {
        let text = "delay=20ms, jitter=500us,rate=100mbit,queue=64k,loss=0.1%,duplicate=1%,corrupt=2%,mark=4%,reorder=3%,\
                    reorder-by=1.5s";
        let config: Config = text.parse().unwrap();
        let want = Config {
            delay: Duration::from_millis(20),
            jitter: Duration::from_micros(500),
            rate: Some(12_500_000),
            queue: Some(65_536),
            loss: 0.001,
            duplicate: 0.01,
            corrupt: 0.02,
            mark: 0.04,
            reorder: 0.03,
            reorder_by: Duration::from_millis(1_500),
            script: Default::default(),
        };
        assert_eq!(config, want);
        assert_eq!("".parse(), Ok(Config::default()));
    }

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        for text in [
            "drop",
            "duplicate",
            "corrupt",
            "delay:200ms",
            "delay:1500ns",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        assert_eq!(
            "delay:1.5s".parse(),
            Ok(Fault::Delay(Duration::from_millis(1_500)))
        );
        for bad in ["", "lose", "delay", "delay:", "delay:2h", "drop:1"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_rate_without_a_queue_has_a_bounded_one() {
        let config: Config = "rate=1gbit".parse().unwrap();
        assert_eq!(config.queue, Some(DEFAULT_QUEUE));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_words() {
        let say = |text: &str| text.parse::<Config>().unwrap_err().to_string();
        assert!(say("delay").contains("NAME=VALUE"));
        assert!(say("sloth=1").contains("there are delay"));
        assert!(say("loss=1%,loss=2%").contains("twice"));
        for bad in [
            "delay=20",
            "delay=-1ms",
            "delay=2h",
            "delay=ms",
            "delay=NaNs",
            "delay=1e9s",
            "loss=1",
            "loss=101%",
            "rate=0bit",
            "rate=100",
            "queue=0",
            "queue=9999m",
            "queue=1g",
            "rate=infbit",
        ] {
            let text = say(bad);
            assert!(text.contains("give"), "{bad}: {text}");
        }
    }
}
