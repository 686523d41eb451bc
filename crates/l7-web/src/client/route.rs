//! Which way a request takes.
//!
//! Job: from a URI and the proxies, the place to connect to and what is asked of it there. Owns: the rules. Does not
//! know: connections. An http request names its whole target to a proxy; for https the proxy is asked for a tunnel.
//! Sources: RFC 9112 sections 3.2.2, 3.2.3; RFC 9110 sections 4.2, 7.6, 9.3.6, 11.7.1.

use http::{HeaderMap, HeaderValue, Uri, header};
use outcrop_http::wire;

use crate::auth;

/// Where SOCKS is spoken unless another port is named (RFC 1928 section 3).
const SOCKS: u16 = 1080;
/// Bytes of a proxy's answer to CONNECT.
pub(super) const ANSWER_MAX: usize = 16 * 1024;

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Whether it is encrypted.
    pub secure: bool,
    /// The host, IPv6 addresses without brackets, in lower case.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Place {
    /// That of an absolute http or https URI.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        let secure = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        Self::at(uri, secure, if secure { 443 } else { 80 })
    }

    fn at(uri: &Uri, secure: bool, usual: u16) -> Option<Self> {
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then(|| Self {
            secure,
            host: host.to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(usual),
        })
    }

    /// `host:port`, as CONNECT names it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A way to a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Straight there.
    Direct(Place),
    /// To this proxy, which asks for us: one connection serves every http place.
    Forward(Place),
    /// Through this proxy, to the place behind it: by CONNECT.
    Tunnel(Place, Place),
    /// The same by SOCKS.
    Socks(Place, Place),
}

impl Route {
    /// Whom the TCP connection is made to.
    #[must_use]
    pub const fn first(&self) -> &Place {
        match self {
            Self::Direct(place)
            | Self::Forward(place)
            | Self::Tunnel(place, _)
            | Self::Socks(place, _) => place,
        }
    }
}

/// What is spoken to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Http,
    /// Whether the proxy looks up names itself.
    Socks {
        names: bool,
    },
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    place: Place,
    spoken: Spoken,
    login: Option<(String, String)>,
    tunnel: bool,
    except: Vec<String>,
}

impl core::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Proxy({:?} at {})", self.spoken, self.place.authority())
    }
}

impl Proxy {
    /// The proxy at `SCHEME://[USER:PASSWORD@]HOST[:PORT]`. `http`, or `https` with TLS to the proxy itself; `socks5`,
    /// which is given addresses, or `socks5h`, which is given names (port 1080).
    #[must_use]
    pub fn new(uri: &Uri) -> Option<Self> {
        let names = match uri.scheme_str()? {
            "socks5" => Some(false),
            "socks5h" => Some(true),
            _ => None,
        };
        let (place, spoken) = match names {
            None => (Place::of(uri)?, Spoken::Http),
            Some(names) => (Place::at(uri, false, SOCKS)?, Spoken::Socks { names }),
        };
        Some(Self {
            place,
            spoken,
            login: login(uri),
            tunnel: false,
            except: Vec::new(),
        })
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Who we are to it.
    #[must_use]
    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Asks for a tunnel for http too.
    #[must_use]
    pub const fn always_tunnel(mut self) -> Self {
        self.tunnel = true;
        self
    }

    /// Not for these: host names, each with the names below it; `*` is all.
    #[must_use]
    pub fn except(mut self, hosts: &[&str]) -> Self {
        let plain = |host: &&str| host.trim().trim_start_matches('.').to_ascii_lowercase();
        self.except = hosts
            .iter()
            .map(plain)
            .filter(|host| !host.is_empty())
            .collect();
        self
    }

    fn is_for(&self, host: &str) -> bool {
        !self.except.iter().any(|name| {
            name == "*"
                || host == name
                || host
                    .strip_suffix(name.as_str())
                    .is_some_and(|before| before.ends_with('.'))
        })
    }

    fn credentials(&self) -> Option<HeaderValue> {
        let (user, password) = self.login.as_ref()?;
        auth::basic(user, password)
    }

    /// Whether this one looks up names itself.
    pub(super) const fn looks_up(&self) -> bool {
        matches!(self.spoken, Spoken::Socks { names: true })
    }

    /// What SOCKS is told of us.
    pub(super) fn login(&self) -> Option<(&str, &str)> {
        let (user, password) = self.login.as_ref()?;
        Some((user, password))
    }

    /// What is said to it besides.
    pub(super) fn introduce(&self, fields: &mut HeaderMap) {
        if let Some(credentials) = self.credentials() {
            fields.insert(header::PROXY_AUTHORIZATION, credentials);
        }
    }

    /// The request for a tunnel to `to` (RFC 9110 section 9.3.6).
    pub(super) fn connect(&self, to: &Place) -> Vec<u8> {
        let authority = to.authority();
        let mut text =
            format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n").into_bytes();
        if let Some(credentials) = self.credentials() {
            text.extend_from_slice(b"proxy-authorization: ");
            text.extend_from_slice(credentials.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        text
    }
}

/// User and password of a URI, as `Authorization` has them.
pub(super) fn credentials(uri: &Uri) -> Option<HeaderValue> {
    let (user, password) = login(uri)?;
    auth::basic(&user, &password)
}

fn login(uri: &Uri) -> Option<(String, String)> {
    let (before, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let (user, password) = before.split_once(':').unwrap_or((before, ""));
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((plain(user), plain(password)))
}

/// The way to the place of `uri`.
#[must_use]
pub fn route(uri: &Uri, proxy: Option<&Proxy>) -> Option<Route> {
    let place = Place::of(uri)?;
    Some(match proxy.filter(|proxy| proxy.is_for(&place.host)) {
        None => Route::Direct(place),
        Some(proxy) if proxy.spoken != Spoken::Http => Route::Socks(proxy.place.clone(), place),
        Some(proxy) if place.secure || proxy.tunnel => Route::Tunnel(proxy.place.clone(), place),
        Some(proxy) => Route::Forward(proxy.place.clone()),
    })
}

/// What a proxy's answer to CONNECT comes to: `None` while it is incomplete. Nothing may follow the head of a 2xx, since
/// what is spoken here lets the client begin.
pub(super) fn opened(answer: &[u8]) -> Option<Result<(), String>> {
    if !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let endless = answer.len() > ANSWER_MAX;
        return endless.then(|| Err("answers without end".to_owned()));
    }
    let Some(message) = wire::message(answer).filter(|m| m.kind == wire::Kind::Response) else {
        return Some(Err("does not speak HTTP".to_owned()));
    };
    let [_, status, _] = &message.parts;
    let status =
        String::from_utf8_lossy(answer.get(status.clone()).unwrap_or_default()).into_owned();
    Some(if !status.starts_with('2') {
        Err(format!("says {status}"))
    } else if answer.len() > message.body {
        Err("sends more than was asked for".to_owned())
    } else {
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(text: &str) -> Option<Proxy> {
        Proxy::new(&text.parse().unwrap())
    }

    fn way(uri: &str, proxy: Option<&Proxy>) -> String {
        match route(&uri.parse().unwrap(), proxy) {
            None => "nowhere".to_owned(),
            Some(Route::Direct(to)) => format!("to {}", to.authority()),
            Some(Route::Forward(by)) => format!("by {}", by.authority()),
            Some(Route::Tunnel(by, to) | Route::Socks(by, to)) => {
                format!("by {} to {}", by.authority(), to.authority())
            }
        }
    }

    #[test]
    fn places_have_their_ports_and_no_brackets() {
        assert_eq!(way("http://A.test/x", None), "to a.test:80");
        assert_eq!(way("https://[fd77::2]/", None), "to [fd77::2]:443");
        assert_eq!(way("https://a.test:8443/", None), "to a.test:8443");
        for uri in ["ftp://a.test/", "/x", "a.test:80"] {
            assert_eq!(way(uri, None), "nowhere", "{uri}");
        }
    }

    #[test]
    fn proxy_forwards_http_and_opens_a_tunnel_for_https() {
        let by = proxy("http://p.test:3128").unwrap();
        assert_eq!(way("http://a.test/", Some(&by)), "by p.test:3128");
        assert_eq!(
            way("https://a.test/", Some(&by)),
            "by p.test:3128 to a.test:443"
        );
        let by = by.always_tunnel();
        assert_eq!(
            way("http://a.test/", Some(&by)),
            "by p.test:3128 to a.test:80"
        );
        let by = proxy("https://p.test").unwrap();
        assert_eq!(
            way("https://a.test/", Some(&by)),
            "by p.test:443 to a.test:443"
        );
        assert_eq!(proxy("ftp://p.test"), None);
    }

    #[test]
    fn socks_is_a_way_to_everywhere() {
        for (uri, names) in [("socks5://p.test", false), ("socks5h://p.test", true)] {
            let by = proxy(uri).unwrap();
            assert_eq!(by.looks_up(), names);
            assert_eq!(
                way("http://a.test/", Some(&by)),
                "by p.test:1080 to a.test:80"
            );
            assert_eq!(
                way("https://a.test/", Some(&by)),
                "by p.test:1080 to a.test:443"
            );
        }
        let by = proxy("socks5://ada:l%40ve@[::1]:9").unwrap();
        assert_eq!(by.login(), Some(("ada", "l@ve")));
        assert_eq!(way("http://a.test/", Some(&by)), "by [::1]:9 to a.test:80");
        assert!(!format!("{by:?}").contains("l@ve"));
    }

    #[test]
    fn excepted_hosts_and_names_below_them_are_asked_directly() {
        let by = proxy("http://p.test")
            .unwrap()
            .except(&["a.test", ".b.test"]);
        for (host, direct) in [
            ("a.test", true),
            ("x.a.test", true),
            ("xa.test", false),
            ("b.test", true),
            ("c", false),
        ] {
            let way = way(&format!("http://{host}/"), Some(&by));
            assert_eq!(way.starts_with("to "), direct, "{host}");
        }
        let by = by.except(&["*"]);
        assert_eq!(way("http://c/", Some(&by)), "to c:80");
    }

    #[test]
    fn tunnel_is_asked_for_with_the_proxys_own_credentials() {
        let by = proxy("http://ada:l%40ve@p.test").unwrap();
        let to = Place::of(&"https://[::1]/".parse().unwrap()).unwrap();
        let want = "CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\nproxy-authorization: Basic YWRhOmxAdmU=\r\n\r\n";
        assert_eq!(String::from_utf8(by.connect(&to)).unwrap(), want);
    }

    #[test]
    fn answers_to_connect_open_the_way_or_say_why_not() {
        let of = |text: &str| opened(text.as_bytes());
        assert_eq!(of("HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(of("HTTP/1.1 200 OK\r\n\r\n"), Some(Ok(())));
        assert_eq!(of("HTTP/1.0 299 Fine\r\nX: y\r\n\r\n"), Some(Ok(())));
        assert_eq!(
            of("HTTP/1.1 407 No\r\n\r\n"),
            Some(Err("says 407".to_owned()))
        );
        assert!(of("SSH-2.0-x\r\n\r\n").unwrap().is_err());
        assert!(of("HTTP/1.1 200 OK\r\n\r\nmore").unwrap().is_err());
        assert!(of(&"x".repeat(ANSWER_MAX + 1)).unwrap().is_err());
    }
}
