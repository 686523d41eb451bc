//! What a router says of itself on a link, as the command line has it.
//!
//! Job: turn `NAME,SETTING..` into settings, or say why not. Owns: `AdvertiseSpec`. Does not know: which values the
//! RFC allows; the stack does.

use core::str::FromStr;
use core::time::Duration;

use outcrop_stack::ip::Advertising;

use crate::values::DeviceName;

/// How a router advertises on one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdvertiseSpec {
    /// Which link.
    pub(crate) name: DeviceName,
    /// What is said there; the link's MTU is added.
    pub(crate) config: Advertising,
}

impl FromStr for AdvertiseSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let name: DeviceName = name.parse().map_err(|why| format!("{name} {why}"))?;
        let parts: Vec<_> = parts.collect();
        // Other defaults follow from the interval, wherever it stands.
        let interval = parts.iter().find_map(|part| part.strip_prefix("interval="));
        let mut config = interval.map_or_else(|| Ok(Advertising::default()), every)?;
        for part in parts {
            set(&mut config, part).map_err(|why| format!("{part}: {why}"))?;
        }
        Ok(Self { name, config })
    }
}

fn every(text: &str) -> Result<Advertising, String> {
    let (least, most) = match text.split_once('-') {
        Some((least, most)) => (Some(seconds(least)?), most),
        None => (None, text),
    };
    let mut config = Advertising::every(Duration::from_secs(seconds(most)?));
    if let Some(least) = least {
        config.min_interval = Duration::from_secs(least);
    }
    Ok(config)
}

fn seconds<T: FromStr>(text: &str) -> Result<T, String> {
    let parsed = text.parse();
    parsed.map_err(|_| format!("{text} is no number of seconds that fits"))
}

fn set(config: &mut Advertising, part: &str) -> Result<(), String> {
    match part.split_once('=').unwrap_or((part, "")) {
        ("interval", _) => {}
        ("lifetime", value) => config.router.lifetime = seconds(value)?,
        ("valid", value) => config.valid = seconds(value)?,
        ("preferred", value) => config.preferred = seconds(value)?,
        ("rdnss", value) => {
            let address = value.parse();
            let address = address.map_err(|_| "give an IPv6 address".to_owned());
            config.resolvers.push(address?);
        }
        ("dnssl", value) => config.domains.push(value.to_owned()),
        ("preference", "low") => config.router.preference = -1,
        ("preference", "high") => config.router.preference = 1,
        ("managed", "") => config.router.managed = true,
        ("other", "") => config.router.other = true,
        ("v4", "") => config.v4 = true,
        _ => {
            return Err("no such setting: such as lan,interval=30-60,rdnss=fd09::53,v4".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_follow_the_name_and_the_rest_follows_from_the_interval() {
        let spec: AdvertiseSpec =
            "lan,rdnss=fd09::53,interval=4-6,valid=90,preferred=60,managed,v4,preference=high"
                .parse()
                .unwrap();
        assert_eq!(spec.name.0, "lan");
        let config = spec.config;
        let (least, most) = (config.min_interval.as_secs(), config.max_interval.as_secs());
        assert_eq!((least, most, config.router.lifetime), (4, 6, 18));
        assert_eq!((config.valid, config.preferred), (90, 60));
        assert!(config.router.managed && !config.router.other && config.v4);
        assert_eq!(config.router.preference, 1);
        assert_eq!(
            config.resolvers,
            ["fd09::53".parse::<core::net::Ipv6Addr>().unwrap()]
        );
        let plain: AdvertiseSpec = "lan".parse().unwrap();
        assert_eq!(plain.config, Advertising::default());
    }

    #[test]
    fn each_slip_is_said() {
        for (text, said) in [
            ("", "no name for a device"),
            ("lan,interval=soon", "no number of seconds"),
            ("lan,lifetime=70000", "no number of seconds"),
            ("lan,rdnss=10.0.0.1", "IPv6 address"),
            ("lan,loud", "no such setting"),
            ("lan,managed=yes", "no such setting"),
        ] {
            let why = text.parse::<AdvertiseSpec>().unwrap_err();
            assert!(why.contains(said), "{text}: {why}");
        }
    }
}
