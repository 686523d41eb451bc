//! Asking a proxy for a connection by SOCKS.
//!
//! Job: what is said to the proxy, and what its answers come to. Owns: how far the talk is. Does not know: connections.
//! Only CONNECT is asked for. Password and user go as they are: whoever listens reads them.
//! Sources: RFC 1928 (version 5), RFC 1929 (user and password).

use core::net::IpAddr;

const VERSION: u8 = 5;
/// Methods (RFC 1928 section 3).
const NOTHING: u8 = 0;
const PASSWORD: u8 = 2;
/// The only version of the talk about users (RFC 1929 section 2).
const TALK: u8 = 1;
const CONNECT: u8 = 1;
/// Kinds of address (RFC 1928 section 5).
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// This address.
    Address(IpAddr),
    /// Whoever has this name, as the proxy finds it.
    Name(String),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Say this, then wait for an answer.
    Say(Vec<u8>),
    /// Wait for more.
    Wait,
    /// The way is open.
    Open,
    /// It is not, for this reason.
    Refused(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Method,
    User,
    Reply,
}

/// One talk.
#[derive(Clone, Debug)]
pub(super) struct Socks {
    state: State,
    login: Option<Vec<u8>>,
    request: Vec<u8>,
    heard: Vec<u8>,
}

/// A text with its length before it; `None` if it is empty or longer than that byte can say.
fn counted(text: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(text.len()).ok().filter(|n| *n > 0)?;
    Some([&[length], text.as_bytes()].concat())
}

impl Socks {
    /// To `target` at `port`; `login`: user and password, if the proxy wants to know. `Err`: what cannot be said.
    pub(super) fn new(
        target: &Target,
        port: u16,
        login: Option<(&str, &str)>,
    ) -> Result<Self, String> {
        let mut request = vec![VERSION, CONNECT, 0];
        match target {
            Target::Address(IpAddr::V4(address)) => {
                request.push(IPV4);
                request.extend(address.octets());
            }
            Target::Address(IpAddr::V6(address)) => {
                request.push(IPV6);
                request.extend(address.octets());
            }
            Target::Name(name) => {
                request.push(NAME);
                request.extend(counted(name).ok_or("takes no names of this length")?);
            }
        }
        request.extend(port.to_be_bytes());
        let said = |(user, password)| {
            let said = counted(user).zip(counted(password));
            let said = said.ok_or("takes users and passwords of 1 to 255 bytes");
            said.map(|(user, password)| [vec![TALK], user, password].concat())
        };
        Ok(Self {
            state: State::Method,
            login: login.map(said).transpose()?,
            request,
            heard: Vec::new(),
        })
    }

    /// What is said first: how we can say who we are.
    pub(super) fn greeting(&self) -> Vec<u8> {
        match self.login {
            None => vec![VERSION, 1, NOTHING],
            Some(_) => vec![VERSION, 2, NOTHING, PASSWORD],
        }
    }

    /// The proxy said this.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Step {
        self.heard.extend_from_slice(bytes);
        let Some(length) = self.length() else {
            return Step::Wait;
        };
        if self.heard.len() < length {
            return Step::Wait;
        }
        // We speak first in everything that goes through.
        if self.heard.len() > length {
            return Step::Refused("sends more than was asked for".to_owned());
        }
        let answer = core::mem::take(&mut self.heard);
        self.answered(&answer)
    }

    /// Bytes of the answer that is expected, as far as can be told.
    fn length(&self) -> Option<usize> {
        match self.state {
            State::Method | State::User => Some(2),
            State::Reply => match self.heard.as_slice() {
                // A failure may be told without the rest, and often is.
                [_, failure, ..] if *failure != 0 => Some(self.heard.len()),
                [_, _, _, IPV4, ..] => Some(10),
                [_, _, _, IPV6, ..] => Some(22),
                [_, _, _, NAME, length, ..] => Some(7 + usize::from(*length)),
                [_, _, _, NAME] | [] | [_] | [_, _] | [_, _, _] => None,
                [_, _, _, _, ..] => Some(self.heard.len()),
            },
        }
    }

    fn answered(&mut self, answer: &[u8]) -> Step {
        let refused = |why: &str| Step::Refused(why.to_owned());
        match (self.state, answer) {
            (State::Method, [VERSION, NOTHING]) => self.ask(),
            (State::Method, [VERSION, PASSWORD]) if self.login.is_some() => {
                self.state = State::User;
                Step::Say(self.login.take().unwrap_or_default())
            }
            (State::Method, [VERSION, _]) => refused("wants to know who we are"),
            (State::User, [TALK, 0]) => self.ask(),
            (State::User, [TALK, _]) => refused("does not take this user and password"),
            (State::Reply, [VERSION, 0, _, IPV4 | NAME | IPV6, ..]) => Step::Open,
            (State::Reply, [VERSION, failure, ..]) if *failure != 0 => refused(meaning(*failure)),
            (State::Method | State::User | State::Reply, _) => refused("does not speak SOCKS 5"),
        }
    }

    fn ask(&mut self) -> Step {
        self.state = State::Reply;
        Step::Say(core::mem::take(&mut self.request))
    }
}

/// RFC 1928 section 6.
const fn meaning(reply: u8) -> &'static str {
    match reply {
        2 => "does not allow this connection",
        3 => "finds the network unreachable",
        4 => "finds the host unreachable",
        5 => "says that the connection was refused",
        6 => "gave up: the TTL expired",
        7 => "does not know CONNECT",
        8 => "does not know this kind of address",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(target: &Target, login: Option<(&str, &str)>) -> Socks {
        Socks::new(target, 80, login).unwrap()
    }

    fn name() -> Target {
        Target::Name("a.test".to_owned())
    }

    fn refused(step: &Step) -> &str {
        let Step::Refused(why) = step else {
            panic!("{step:?}")
        };
        why
    }

    /// Every byte by RFC 1928 sections 3, 4 and 6.
    #[test]
    fn proxy_that_wants_nothing_is_asked_at_once() {
        let mut socks = talk(&name(), None);
        assert_eq!(socks.greeting(), [5, 1, 0]);
        let want = [&[5, 1, 0, 3, 6][..], b"a.test", &[0, 80]].concat();
        assert_eq!(socks.hear(&[5, 0]), Step::Say(want));
        assert_eq!(socks.hear(&[5, 0, 0, 1, 10, 0, 0, 1, 4, 56]), Step::Open);
    }

    /// RFC 1929 section 2.
    #[test]
    fn proxy_that_wants_a_password_gets_it() {
        let mut socks = talk(&name(), Some(("ada", "love")));
        assert_eq!(socks.greeting(), [5, 2, 0, 2]);
        let want = [&[1, 3][..], b"ada", &[4], b"love"].concat();
        assert_eq!(socks.hear(&[5, 2]), Step::Say(want));
        let Step::Say(request) = socks.clone().hear(&[1, 0]) else {
            panic!("it asks")
        };
        assert_eq!(request[..4], [5, 1, 0, 3]);
        assert!(refused(&socks.hear(&[1, 1])).contains("this user"));
    }

    #[test]
    fn addresses_go_as_addresses() {
        for (address, kind, length) in [("192.0.2.1", 1, 10), ("2001:db8::1", 4, 22)] {
            let mut socks = talk(&Target::Address(address.parse().unwrap()), None);
            let Step::Say(request) = socks.hear(&[5, 0]) else {
                panic!("it asks")
            };
            assert_eq!((request[3], request.len()), (kind, length));
            // The answer's address may be of any kind.
            let answer = [&[5, 0, 0, 4][..], &[0; 18]].concat();
            assert_eq!(socks.hear(&answer), Step::Open);
        }
    }

    #[test]
    fn answers_may_come_in_pieces() {
        let mut socks = talk(&name(), None);
        assert_eq!(socks.hear(&[5]), Step::Wait);
        assert!(matches!(socks.hear(&[0]), Step::Say(_)));
        let answer = [5, 0, 0, 3, 2, b'a', b'b', 0, 80];
        for byte in &answer[..8] {
            assert_eq!(socks.hear(&[*byte]), Step::Wait);
        }
        assert_eq!(socks.hear(&answer[8..]), Step::Open);
    }

    #[test]
    fn refusals_say_why() {
        let after = |bytes: &[u8]| {
            let mut socks = talk(&name(), None);
            assert!(matches!(socks.hear(&[5, 0]), Step::Say(_)));
            refused(&socks.hear(bytes)).to_owned()
        };
        assert!(after(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).contains("refused"));
        assert!(after(&[5, 2]).contains("not allow"), "without the rest");
        assert!(after(&[5, 99, 0, 1]).contains("failed"));
        assert!(after(&[5, 0, 0, 9, 0]).contains("SOCKS 5"), "no such kind");
        assert!(after(&[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]).contains("SOCKS 5"));
        assert!(after(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7]).contains("more than"));
        let first = |bytes: &[u8], login| refused(&talk(&name(), login).hear(bytes)).to_owned();
        assert!(first(&[5, 0xFF], None).contains("who we are"));
        assert!(
            first(&[5, 2], None).contains("who we are"),
            "it was not offered"
        );
        assert!(first(b"HTTP", None).contains("more than"));
        assert!(first(b"HT", None).contains("SOCKS 5"));
    }

    #[test]
    fn what_does_not_fit_is_not_said() {
        let long = "x".repeat(256);
        assert!(Socks::new(&Target::Name(long.clone()), 80, None).is_err());
        for login in [("", "p"), ("u", ""), (long.as_str(), "p")] {
            assert!(Socks::new(&name(), 80, Some(login)).is_err());
        }
        assert!(Socks::new(&Target::Name("x".repeat(255)), 80, None).is_ok());
    }
}
