//! The command line.
//!
//! Job: say what can be asked for, and how. Owns: names, defaults, help texts. Does not know: how any of it is
//! done; values arrive parsed and in range (`values`).

mod lower;

use core::net::SocketAddr;
use core::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use outcrop_base::Level;
use outcrop_testkit::what_if::Change;
use outcrop_web::client::route::Proxy;

pub(crate) use lower::{Conn, Look, Router, Switch};

use crate::values::{Cidr, DeviceName, Url};

/// A TCP/IP and HTTP stack of its own, over a Linux TUN, that explains every packet.
#[derive(Debug, Parser)]
#[command(
    name = "outcrop",
    version,
    max_term_width = 100,
    after_help = "Start with `outcrop demo`. The stack is 10.77.0.2 and fd77::2 unless told otherwise; \
                  the Linux kernel at the other end of the TUN is 10.77.0.1 and fd77::1."
)]
pub(crate) struct Cli {
    /// Say what set-up does (-v), in detail (-vv). RUST_LOG, if set, decides instead.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything at once: ping, a page with keep-alive, two pipelined requests, a close by each side.
    ///
    /// Runs in a private namespace against the system's own ping and curl, takes a few seconds, prints the
    /// ladder of what crossed the wire with states and reasons, and leaves the capture.
    Demo(Demo),
    /// Serve files over our own stack until Ctrl-C.
    ///
    /// Opens a TUN in the current network namespace, which takes root or CAP_NET_ADMIN; without, use
    /// `outcrop run`. UDP echo (port 7) and discard (port 9) are served too.
    #[command(
        after_help = "Examples:\n  sudo outcrop serve --root . --capture run.pcapng\n  \
                            curl http://10.77.0.2/            # from another terminal"
    )]
    Serve(Serve),
    /// Run a command against the stack in a private namespace; no root needed.
    ///
    /// The command sees the stack at the other end of a TUN and nothing else of the network. Its exit status
    /// becomes ours.
    #[command(
        after_help = "Examples:\n  outcrop run -- curl -s http://10.77.0.2/\n  \
                            outcrop run --root . --capture run.pcapng -- ab -k -n 1000 -c 16 http://10.77.0.2/\n  \
                            outcrop run -- sh                 # look around"
    )]
    Run(Run),
    /// Run a command across an emulated link from another, the Linux kernel at both ends; no root needed.
    ///
    /// What `outcrop run --link` puts before our stack, with the kernel in our place: the same path, to compare.
    /// The command is 10.77.0.1 and fd77::1, the far end 10.77.0.2 and fd77::2.
    #[command(
        after_help = "Example:\n  outcrop wire --link delay=20ms,rate=50mbit --far 'exec python3 -m http.server 80' -- \\\n    \
                            sh -c 'sleep 1; curl -so /dev/null -w \"%{speed_download}\\n\" http://10.77.0.2/file'"
    )]
    Wire(Wire),
    /// Fetch a URL over our own stack, as a client.
    ///
    /// The body goes to standard output, timings and progress to standard error. Opens a TUN in the current
    /// network namespace (root or CAP_NET_ADMIN). The kernel's end answers at 10.77.0.1; anything beyond needs
    /// the kernel to forward. Names are resolved by the system.
    #[command(
        after_help = "Examples:\n  sudo outcrop get http://10.77.0.1:8000/file -o file\n  \
                            sudo outcrop get --capture get.pcapng http://10.77.0.1:8000/ | head"
    )]
    Get(Box<Get>),
    /// Ping a host over our own stack.
    ///
    /// Opens a TUN in the current network namespace (root or CAP_NET_ADMIN).
    Ping(Ping),
    /// Show the routers on the way to a host, over our own stack.
    ///
    /// Opens a TUN in the current network namespace (root or CAP_NET_ADMIN). Each probe is allowed one hop more than the
    /// last; whoever uses it up says so.
    #[command(after_help = "Examples:\n  sudo outcrop traceroute 10.77.0.1\n  \
                            sudo outcrop traceroute --tcp --port 443 fd77::1")]
    Traceroute(Traceroute),
    /// Be a router between several TUNs and TAPs: pass packets on, cut them, refuse them, and say why.
    ///
    /// Each --net is a link to a private network of its own, where the kernel has the first other address and its default
    /// route through us; no root needed. Each --tun or --tap is a link in the current network namespace, which takes root
    /// or CAP_NET_ADMIN. On a link named by --advertise the kernel finds its IPv6 address and route by itself. With a command, it runs in the first --net, and its exit status becomes ours; without, Ctrl-C ends.
    #[command(
        after_help = "Examples:\n  outcrop router --net left=10.1.0.1/24,fd01::1/64 --net right=10.2.0.1/24,fd02::1/64,mtu=1280 \\\n    \
                            --at right='exec python3 -m http.server 80' -- sh -c 'sleep 1; curl -sI http://10.2.0.2/'\n  \
                            outcrop router --net a=10.1.0.1/24 --net b=10.2.0.1/24 --capture hop.pcapng -- traceroute -n 10.2.0.2\n  \
                            outcrop router --net lan=10.1.0.1/24,2001:db8:1::1/64,tap --advertise lan,interval=4 -- sh -c 'sleep 3; ip -6 addr'"
    )]
    Router(Router),
    /// Be a switch between several TAPs: learn who is where, and send each frame only there.
    ///
    /// Each --net is a port to a private network of its own, where the kernel has the addresses given; no root needed.
    /// Each --tap is a port in the current network namespace. With a command, it runs in the first --net, and its exit
    /// status becomes ours; without, Ctrl-C ends.
    #[command(
        after_help = "Example:\n  outcrop switch --net a=10.1.0.1/24 --net b=10.1.0.2/24 --net c=10.1.0.3/24 --stats -- ping -c3 10.1.0.2"
    )]
    Switch(Switch),
    /// Show whom a running stack knows on its links, and how sure it is of each.
    #[command(
        visible_alias = "neighbor",
        after_help = "Example:\n  outcrop run --tap -- sh -c 'ping -c1 10.77.0.2; outcrop neigh show'"
    )]
    Neigh(Look),
    /// Show which way a running stack sends packets.
    Route(Look),
    /// Show the addresses of a running stack, their states and their times.
    Addr(Look),
    /// Show the TCP connections of a running stack.
    Conn(Conn),
    /// Play a capture again in virtual time, and say where it differs.
    ///
    /// First every packet by itself: each header is read and written anew, and must be the same bytes. Then the
    /// conversation. A recorded scenario, both ends ours, must come out the same to the byte. In a capture of other stacks the
    /// client's half is fed to our server, and our half is held against the promises of the recorded one. The
    /// first difference is printed as a diff, and what came out this time is written to a file. A live
    /// recording has half of its story in the kernel and cannot be played again.
    Replay(Replay),
    /// Run scripts in the packetdrill language against the stack, in virtual time; no root needed.
    ///
    /// A script lists packets that arrive, packets that must leave, and the program's calls. A packet that
    /// nobody expects fails it. Exits with 0 only if no script failed.
    Drill(Drill),
    /// Draft a script in the packetdrill language from one TCP connection of a capture; `outcrop drill` passes it.
    ///
    /// The peer's packets are injected as they came, the program's calls are guessed from ours. Where another stack was
    /// recorded and ours does otherwise, the line says so and quotes what was recorded.
    #[command(
        after_help = "Examples:\n  outcrop to-drill run.pcapng -o run.pkt && outcrop drill run.pkt\n  \
                            outcrop to-drill --conn 2 --role client other.pcap -o second.pkt"
    )]
    ToDrill(ToDrill),
    /// Ask DHCP servers for an address and print what they grant; or be one (`outcrop dhcp serve`).
    ///
    /// Speaks on a TAP. Without --keep the address is given back at once.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  sudo outcrop dhcp --tap tap0 --json\n  \
                            sudo outcrop dhcp serve --tap tap1 --addr 10.9.0.1/24 --pool 10.9.0.100-10.9.0.199"
    )]
    Dhcp(Box<Dhcp>),
    /// Print a capture as text: tcpdump's grammar, with state and reason behind each packet.
    Print(Print),
    /// Draw a capture as a ladder: who sent what to whom, in which state, and why.
    Ladder(Ladder),
    /// Look through a capture in the terminal: packets, fields, bytes and plots on one cursor.
    ///
    /// A file that grows is followed.
    Tui(Show),
    /// Write a capture as one page for a browser: ladder, bytes, states and sequences beside each other.
    ///
    /// The page stands alone: it asks the network for nothing, and can be read without scripts.
    #[command(after_help = "Examples:\n  outcrop inspect run.pcapng -o run.html\n  \
                            outcrop inspect ours.pcapng --compare linux.pcap -o both.html\n  \
                            outcrop inspect fixtures/get.pcapng --what-if drop:4 -o what-if.html")]
    Inspect(Inspect),
    /// Write a capture for the tools of others: classic pcap, HAR, xplot, qlog.
    ///
    /// HAR tells every HTTP exchange to a browser's developer tools; xplot and qlog tell of one TCP connection.
    #[command(
        after_help = "Examples:\n  outcrop export run.pcapng run.pcap      # no comments, for tcptrace and the like\n  \
                            outcrop export run.pcapng run.har\n  \
                            outcrop export --conversation B run.pcapng b.xpl"
    )]
    Export(Export),
    /// Two requests over one connection in one write: the demo's own client.
    #[command(hide = true)]
    Pipeline(Pipeline),
}

/// Where the stack lives, and what it records.
#[derive(Args, Clone, Debug)]
pub(crate) struct Net {
    /// The stack's IPv4 address and its network. The kernel's end gets the first other address in it.
    #[arg(long, value_name = "ADDRESS/PREFIX", default_value = "10.77.0.2/24", value_parser = crate::values::cidr4, help_heading = "Network")]
    pub(crate) addr: Cidr,
    /// The stack's IPv6 address and its network.
    #[arg(long, value_name = "ADDRESS/PREFIX", default_value = "fd77::2/64", value_parser = crate::values::cidr6, help_heading = "Network")]
    pub(crate) addr6: Cidr,
    /// Name of the TUN device. The kernel picks one if none is given.
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub(crate) dev: Option<DeviceName>,
    /// Speak Ethernet: a TAP of this name instead of a TUN, with ARP and neighbour discovery. One that exists, in a
    /// bridge for example, is taken as it is.
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with = "dev", conflicts_with = "link", help_heading = "Network")]
    pub(crate) tap: Option<Option<DeviceName>>,
    /// The stack's hardware address on the TAP. Without it: one by chance.
    #[arg(long, value_name = "MAC", requires = "tap", value_parser = crate::values::mac, help_heading = "Network")]
    pub(crate) mac: Option<outcrop_stack::ethernet::MacAddr>,
    /// Take IPv6 addresses, routes and resolvers from the routers on the TAP's link instead of --addr6.
    #[arg(long, requires = "tap", help_heading = "Network")]
    pub(crate) slaac: bool,
    /// Take an IPv4 address, routes and resolvers from a DHCP server on the TAP's link instead of --addr; with --slaac,
    /// what routers leave to DHCPv6 as well.
    #[arg(long, requires = "tap", help_heading = "Network")]
    pub(crate) dhcp: bool,
    /// Largest IP packet on the TUN, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1280..=65_535), help_heading = "Network")]
    pub(crate) mtu: u32,
    /// Cut and checksum every packet ourselves: what crosses the TUN is then what crosses a wire. Slower.
    #[arg(long, help_heading = "Network")]
    pub(crate) no_offload: bool,
    /// Put an emulated link between the stack and the TUN. Turns offload off.
    #[arg(long, value_name = "LINK", help_heading = "Network", long_help = LINK_HELP)]
    pub(crate) link: Option<outcrop_netem::Config>,
    /// Look at the TUN again and again for so many microseconds before sleeping: answers sooner, keeps a
    /// processor busy.
    #[arg(long, value_name = "USECS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000), help_heading = "Network")]
    pub(crate) busy_poll: u64,
    /// Record every packet with its state and reason into this pcapng file. With `serve`, `-` is standard output:
    /// `outcrop serve --capture - | wireshark -k -i -`.
    #[arg(long, value_name = "FILE", help_heading = "Recording")]
    pub(crate) capture: Option<PathBuf>,
    /// How much to record.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = CaptureLevel::Full, help_heading = "Recording")]
    pub(crate) capture_level: CaptureLevel,
    /// Packets are kept here as well, if somebody is to be shown them.
    #[arg(skip)]
    pub(crate) kept: Option<crate::watch::Kept>,
    /// Draw all chance from this number instead of the system's entropy: the same run again.
    #[arg(long, value_name = "NUMBER", help_heading = "Recording")]
    pub(crate) seed: Option<u64>,
}

/// How much to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CaptureLevel {
    /// Nothing.
    Off,
    /// State changes, timers and losses, without packets.
    Events,
    /// Every packet with its state and reason, and every event.
    Full,
}

impl From<CaptureLevel> for Level {
    fn from(level: CaptureLevel) -> Self {
        match level {
            CaptureLevel::Off => Self::Off,
            CaptureLevel::Events => Self::Events,
            CaptureLevel::Full => Self::Full,
        }
    }
}

/// How TCP behaves.
#[derive(Args, Clone, Debug)]
pub(crate) struct Tcp {
    /// Congestion control.
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Congestion::Cubic, help_heading = "TCP")]
    pub(crate) congestion: Congestion,
    /// Congestion marks (ECN).
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Ecn::Accept, help_heading = "TCP")]
    pub(crate) ecn: Ecn,
    /// Spread what leaves over the round trip, if that is 2 ms or longer. BBR always does.
    #[arg(
        long, value_name = "on|off", help_heading = "TCP", value_parser = crate::values::on_or_off,
        default_value = "on", default_missing_value = "on", num_args = 0..=1, require_equals = true
    )]
    pub(crate) pacing: bool,
    /// The fastest that one connection's data may leave, in bytes a second.
    #[arg(long, value_name = "BYTES", help_heading = "TCP")]
    pub(crate) max_rate: Option<u64>,
    /// Receive buffer of a connection, in bytes: the largest window it offers.
    #[arg(long, value_name = "BYTES", help_heading = "TCP")]
    pub(crate) rcvbuf: Option<u32>,
    /// Send buffer of a connection, in bytes.
    #[arg(long, value_name = "BYTES", help_heading = "TCP")]
    pub(crate) sndbuf: Option<u32>,
    /// Largest segment to announce and send, in bytes. Without it the MTU decides.
    #[arg(long, value_name = "BYTES", help_heading = "TCP")]
    pub(crate) mss: Option<u16>,
    /// Probe a peer that has been silent for so many seconds.
    #[arg(long, value_name = "SECONDS", help_heading = "TCP")]
    pub(crate) keepalive: Option<u64>,
    /// Give a connection up when what it sent stays unacknowledged for so many seconds.
    #[arg(long, value_name = "SECONDS", help_heading = "TCP")]
    pub(crate) user_timeout: Option<u64>,
    /// Say at exit, for each connection, what held it back and for how long.
    #[arg(long, help_heading = "TCP")]
    pub(crate) explain: bool,
}

/// Congestion control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Congestion {
    /// The textbook's (RFC 5681).
    Newreno,
    /// What most hosts run (RFC 9438).
    Cubic,
    /// By rate and round trip instead of by loss.
    Bbr,
}

/// Congestion marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ecn {
    /// Never.
    Off,
    /// If the peer asks for them.
    Accept,
    /// Ask for them too.
    Request,
    /// Ask for accurate ones (RFC 9768), which tell how many; agree to either kind.
    Accurate,
}

/// What is served.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serving {
    /// Port of the HTTP server.
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Serve the files in this folder. Without it: one built-in page.
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Give clients that take it FILE.br, FILE.zst or FILE.gz where that lies beside a file and is no older.
    #[arg(long, requires = "root")]
    pub(crate) precompressed: bool,
    /// Answer for a folder without index.html with the names in it.
    #[arg(long, requires = "root")]
    pub(crate) listing: bool,
    /// `Cache-Control` of every file, such as max-age=3600.
    #[arg(long, value_name = "VALUE", requires = "root")]
    pub(crate) cache_control: Option<http::HeaderValue>,
    /// Connections of one client at a time, a client being an IPv4 address or an IPv6 network of 64 bits; more are closed
    /// at once. 0: as many as it likes.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) per_client: usize,
    /// Send clients elsewhere: paths that begin with FROM, to the path or URL TO. May be given again.
    #[arg(long, value_name = "FROM=TO", value_parser = crate::values::prefix, help_heading = "Requests for elsewhere")]
    pub(crate) redirect: Vec<(String, String)>,
    /// Answer paths that begin with FROM as if they began with TO. May be given again.
    #[arg(long, value_name = "FROM=TO", value_parser = crate::values::prefix, help_heading = "Requests for elsewhere")]
    pub(crate) rewrite: Vec<(String, String)>,
    /// Let another server, at an http:// URL, answer paths that begin with FROM. It is asked from this stack's address. May
    /// be given again.
    #[arg(long, value_name = "FROM=URL", value_parser = crate::values::prefix, help_heading = "Requests for elsewhere")]
    pub(crate) forward: Vec<(String, String)>,
    /// Be a proxy for CONNECT to this place: HOST:PORT, *.HOST:PORT or *:PORT. Whoever reaches this server then reaches that
    /// place through it, from this stack's address, in at most 64 tunnels. May be given again.
    #[arg(long, value_name = "PLACE", help_heading = "Requests for elsewhere")]
    pub(crate) proxy: Vec<outcrop_web::tunnel::Allowed>,
    /// Answer TRACE with the request itself, without its secrets.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Answer `GET /path` without a version, as in 1991: with the bare body (HTTP/0.9). For the lesson.
    #[arg(long)]
    pub(crate) http09: bool,
    /// Serve an application to try things on, instead of files: a list of things to do with a chat, its pages and its API.
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "root")]
    pub(crate) example: Option<ExampleName>,
    /// Serve echo (port 7) and discard (port 9) over TCP as well as UDP, and characters for ever (port 19).
    #[arg(long)]
    pub(crate) tcp_echo: bool,
    /// Answer UDP echo for this multicast group too, and report it to routers: what these sources send to it, or with ! all
    /// but these. May be given again.
    #[arg(long, value_name = "ADDRESS[=[!]SOURCE,..]")]
    pub(crate) group: Vec<crate::values::HeardGroup>,
    /// Connections waiting to be accepted: one more than this, as on Linux.
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) backlog: u16,
    /// Show what crosses the stack at /_inspect, live, and at /_self how that page itself came. Keeps the last 3,000
    /// packets in memory; whoever can fetch a page here can see them.
    #[arg(long)]
    pub(crate) inspect: bool,
    /// Open the TUN with so many queues, each served by a thread and a part of the stack of its own. A flow stays in the
    /// queue where the kernel puts it.
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU16::MIN, value_parser = crate::values::queues)]
    pub(crate) queues: NonZeroU16,
    /// Answer `outcrop neigh`, `route`, `addr` and `conn` at this Unix socket. Without it: at one that they find.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) control: Option<PathBuf>,
    /// Answer requests that arrive in a SYN (TCP Fast Open); such a request may be served twice.
    #[arg(long)]
    pub(crate) fast_open: bool,
    #[command(flatten)]
    pub(crate) secure: Secure,
}

impl Serving {
    /// `net`, with room for what pages about the stack show if they were asked for.
    pub(crate) fn watched(&self, net: &Net) -> Net {
        Net {
            kept: self.inspect.then(crate::watch::Kept::default),
            ..net.clone()
        }
    }
}

/// The applications to try things on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExampleName {
    /// Things to do: REST with versions, two kinds of login, events, WebSocket.
    Todo,
}

/// HTTPS.
#[derive(Args, Clone, Debug)]
pub(crate) struct Secure {
    /// Serve HTTPS as well. Without --cert the certificate is signed by an authority of this run only, which a
    /// command started by `outcrop run` is told to trust.
    #[arg(long, help_heading = "TLS")]
    pub(crate) tls: bool,
    /// Port of the HTTPS server.
    #[arg(long, value_name = "PORT", default_value_t = 443, value_parser = clap::value_parser!(u16).range(1..), help_heading = "TLS")]
    pub(crate) tls_port: u16,
    /// Certificates in PEM, one's own first; read again when the file changes. Implies --tls. May be given again with
    /// another --key: the client's server name chooses, and the first is for all others.
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    pub(crate) cert: Vec<PathBuf>,
    /// The private key of --cert, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub(crate) key: Vec<PathBuf>,
    /// Clients must show a certificate signed by an authority of this file, in PEM. Implies --tls.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Write the certificate of the run's own authority here, for clients to trust.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "cert",
        help_heading = "TLS"
    )]
    pub(crate) authority: Option<PathBuf>,
    /// Put the keys of TLS connections into the capture, so that Wireshark shows what is inside. Whoever has the
    /// file can then read it.
    #[arg(long, requires = "capture", help_heading = "TLS")]
    pub(crate) keys: bool,
}

/// Options of `outcrop serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) tcp: Tcp,
    #[command(flatten)]
    pub(crate) net: Net,
}

/// Options of `outcrop dhcp`.
#[derive(Args, Debug)]
pub(crate) struct Dhcp {
    /// Be a server instead.
    #[command(subcommand)]
    pub(crate) serve: Option<DhcpCommand>,
    #[command(flatten)]
    pub(crate) net: Net,
    /// Ask for IPv6 addresses (DHCPv6) instead.
    #[arg(short = '6', long)]
    pub(crate) v6: bool,
    /// Ask for resolvers alone, without an address.
    #[arg(long, requires = "v6")]
    pub(crate) stateless: bool,
    /// Ask for this address first, as a host does that had it before.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "v6")]
    pub(crate) previous: Option<core::net::Ipv4Addr>,
    /// The name that the server is told.
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Keep the address, and print what becomes of it, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print each piece of news as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Give up after so many seconds without an address.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// Below `outcrop dhcp`.
#[derive(Debug, Subcommand)]
pub(crate) enum DhcpCommand {
    /// Lend IPv4 addresses on the TAP's link until Ctrl-C.
    Serve(DhcpServe),
}

/// Options of `outcrop dhcp serve`.
#[derive(Args, Debug)]
pub(crate) struct DhcpServe {
    #[command(flatten)]
    pub(crate) net: Net,
    /// First and last address to lend, in the network of --addr.
    #[arg(long, value_name = "FIRST-LAST", value_parser = crate::values::pool)]
    pub(crate) pool: (core::net::Ipv4Addr, core::net::Ipv4Addr),
    /// How long an address is lent, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub(crate) lease_time: u64,
    /// A way out to tell clients of.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) router: Vec<core::net::Ipv4Addr>,
    /// A resolver to tell clients of.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Vec<core::net::Ipv4Addr>,
    /// The domain to tell clients of.
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Option<String>,
    /// An address that one station alone gets.
    #[arg(long, value_name = "MAC=ADDRESS", value_parser = crate::values::reservation)]
    pub(crate) reserve: Vec<([u8; 6], core::net::Ipv4Addr)>,
}

/// Options of `outcrop run`.
#[derive(Args, Debug)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) tcp: Tcp,
    #[command(flatten)]
    pub(crate) net: Net,
    /// Print what the stack counted when the command has ended.
    #[arg(long)]
    pub(crate) stats: bool,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// Options of `outcrop wire`.
#[derive(Args, Debug)]
pub(crate) struct Wire {
    /// The link, in each direction.
    #[arg(long, value_name = "LINK", default_value = "", long_help = LINK_HELP)]
    pub(crate) link: outcrop_netem::Config,
    /// A shell command for the far end; it is ended when the other command has ended.
    #[arg(long, value_name = "SCRIPT")]
    pub(crate) far: Option<std::ffi::OsString>,
    /// Largest IP packet on the link, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(1280..=65_535))]
    pub(crate) mtu: u32,
    /// Draw all chance from this number: the same packets are lost again.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<std::ffi::OsString>,
}

/// How a link is described.
const LINK_HELP: &str = "The link, in each direction: settings joined by commas, such as \
    delay=20ms,loss=1%,rate=100mbit,queue=64k. delay and jitter are one way; rate is bits a second onto the wire; \
    queue is bytes waiting for it (256k if there is a rate); loss, duplicate, corrupt and reorder are chances; \
    reorder-by is how long a reordered packet is held back.";

/// How to ask, in curl's words.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Asking {
    /// The method, instead of GET (POST with --data, PUT with --upload).
    #[arg(short = 'X', long, value_name = "METHOD", help_heading = "Request")]
    pub(crate) request: Option<http::Method>,
    /// A field of the request: `Name: value`; `Name:` leaves out one that is sent by default.
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = crate::values::field, help_heading = "Request")]
    pub(crate) headers: Vec<crate::values::FieldLine>,
    /// Send this as a form does; @FILE sends a file's content. Several are joined by `&`.
    #[arg(short, long, value_name = "DATA", help_heading = "Request")]
    pub(crate) data: Vec<String>,
    /// Send this file as it is.
    #[arg(
        short = 'T',
        long,
        value_name = "FILE",
        conflicts_with = "data",
        help_heading = "Request"
    )]
    pub(crate) upload: Option<PathBuf>,
    /// Say who asks: `USER:PASSWORD`, readable by everybody on the way unless it is https.
    #[arg(short, long, value_name = "USER:PASSWORD", help_heading = "Request")]
    pub(crate) user: Option<String>,
    /// Prove it without telling the password, as the server asks (RFC 7616): it asks first, and is asked again.
    #[arg(long, requires = "user", help_heading = "Request")]
    pub(crate) digest: bool,
    /// Send this cookie to the first server: `name=value`. Cookies set on the way are sent along in any case.
    #[arg(short = 'b', long, value_name = "COOKIE", help_heading = "Request")]
    pub(crate) cookie: Option<String>,
    /// Ask for a compressed answer, and undo it.
    #[arg(long, help_heading = "Request")]
    pub(crate) compressed: bool,
    /// Go where redirects lead.
    #[arg(short = 'L', long, help_heading = "Request")]
    pub(crate) location: bool,
    /// Go on where the file of --output ends: `-`, or with the byte named.
    #[arg(short = 'C', long, value_name = "-|BYTE", requires = "output", value_parser = crate::values::offset, help_heading = "Request")]
    pub(crate) continue_at: Option<crate::values::Offset>,
    /// Through this proxy. `http://`, or `https://` with TLS to the proxy: by CONNECT for https, by the whole URL for http.
    /// `socks5://`: by address; `socks5h://`: by name, which the proxy looks up.
    #[arg(short = 'x', long, value_name = "URL", value_parser = crate::values::proxy, help_heading = "Request")]
    pub(crate) proxy: Option<Proxy>,
    /// Say to the proxy who asks: `USER:PASSWORD`.
    #[arg(
        short = 'U',
        long,
        value_name = "USER:PASSWORD",
        requires = "proxy",
        help_heading = "Request"
    )]
    pub(crate) proxy_user: Option<String>,
    /// Ask the proxy for a tunnel (CONNECT) for http too.
    #[arg(short = 'p', long, requires = "proxy", help_heading = "Request")]
    pub(crate) proxytunnel: bool,
    /// Hosts that are asked without the proxy, joined by commas; the names below them too.
    #[arg(
        long,
        value_name = "HOSTS",
        value_delimiter = ',',
        requires = "proxy",
        help_heading = "Request"
    )]
    pub(crate) noproxy: Vec<String>,
    /// Try so often again what failed and may be done twice; what broke off in the middle goes on there if the server has
    /// a strong ETag for it.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        help_heading = "Request"
    )]
    pub(crate) retry: u32,
}

/// Options of `outcrop get`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// What to fetch: `http://HOST[:PORT]/PATH`, or `https://..`. Several come one after the other, over one connection
    /// where that is possible.
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<Url>,
    /// Ask for all of them at once, in one write for each server, before the first answer (pipelining).
    #[arg(long, conflicts_with_all = ["data", "upload", "request", "continue_at", "output", "location", "cache", "digest"])]
    pub(crate) pipeline: bool,
    /// Keep answers in this folder for the next time, as far as HTTP allows (RFC 9111), and use those there.
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Write the body to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// No progress and no timings.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print the head of the response before the body.
    #[arg(short, long)]
    pub(crate) include: bool,
    /// Print where the time went even with --quiet.
    #[arg(long)]
    pub(crate) timing: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
    /// For https: the authorities to trust, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(crate) cacert: Option<PathBuf>,
    /// For https: believe every certificate. Whoever answers may then be anybody.
    #[arg(short = 'k', long, help_heading = "TLS")]
    pub(crate) insecure: bool,
    /// For https: our certificate, with those that vouch for it, in PEM, for servers that ask for one.
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of --cert, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub(crate) key: Option<PathBuf>,
    /// For https: put the keys into the capture, so that Wireshark shows what is inside.
    #[arg(long, requires = "capture", help_heading = "TLS")]
    pub(crate) keys: bool,
    /// Give up after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Give a connection up that is not there after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) connect_timeout: u64,
    #[command(flatten)]
    pub(crate) tcp: Tcp,
    #[command(flatten)]
    pub(crate) net: Net,
}

/// Options of `outcrop ping`.
#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// The host: an address, or a name the system resolves.
    pub(crate) host: String,
    /// How many requests.
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) count: u16,
    /// Seconds between requests.
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = 1.0, value_parser = crate::values::interval)]
    pub(crate) interval: f64,
    /// Bytes of payload.
    #[arg(short, long, value_name = "BYTES", default_value_t = 56, value_parser = clap::value_parser!(u16).range(0..=65_000))]
    pub(crate) size: u16,
    /// Ask again as soon as the answer is there, a hundred times a second without one; a dot stands for each request that
    /// is not answered yet. --count bounds it.
    #[arg(short, long, conflicts_with = "interval")]
    pub(crate) flood: bool,
    /// Seconds to wait for each answer.
    #[arg(short = 'W', long, value_name = "SECONDS", default_value_t = 1.0, value_parser = crate::values::interval)]
    pub(crate) wait: f64,
    /// Say nothing but the summary.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) net: Net,
}

/// Options of `outcrop traceroute`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Traceroute {
    /// The host: an address, or a name the system resolves.
    pub(crate) host: String,
    /// Probe with echo requests instead of UDP.
    #[arg(short = 'I', long, conflicts_with = "tcp")]
    pub(crate) icmp: bool,
    /// Probe with SYNs instead of UDP.
    #[arg(short = 'T', long)]
    pub(crate) tcp: bool,
    /// Destination port: of TCP (80), or of the first UDP probe (33434), each further one goes one higher.
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The first number of hops tried.
    #[arg(short, long, value_name = "HOPS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) first: u8,
    /// The last.
    #[arg(short, long, value_name = "HOPS", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) max_hops: u8,
    /// Probes for each number of hops.
    #[arg(short, long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(crate) queries: u8,
    /// Seconds to wait for answers.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 1.0, value_parser = crate::values::interval)]
    pub(crate) wait: f64,
    /// Bytes of payload of UDP and echo probes.
    #[arg(short, long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u16).range(0..=1_400))]
    pub(crate) size: u16,
    #[command(flatten)]
    pub(crate) net: Net,
}

/// Options of `outcrop replay`.
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// The capture.
    pub(crate) file: PathBuf,
    /// Only take every packet apart and write it anew; play nothing.
    #[arg(long)]
    pub(crate) wire: bool,
    /// Where to write what came out this time, if it differs.
    #[arg(long, value_name = "FILE", default_value = "actual.pcapng")]
    pub(crate) actual: PathBuf,
}

/// Options of `outcrop drill`.
#[derive(Args, Debug)]
pub(crate) struct Drill {
    /// Scripts, or folders of them (*.pkt).
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Run over IPv6.
    #[arg(long)]
    pub(crate) ip6: bool,
    /// Whose habits the scripts assume; without it each script's own words decide.
    #[arg(long, value_enum)]
    pub(crate) dialect: Option<Dialect>,
}

/// Options of `outcrop to-drill`.
#[derive(Args, Debug)]
pub(crate) struct ToDrill {
    /// The capture: pcapng of ours or of others, or classic pcap.
    pub(crate) file: PathBuf,
    /// Which TCP connection, counted from 1 among those that begin with their SYN.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) conn: usize,
    /// Which end the script's stack is. Without it the end that recorded, or in captures of others the server.
    #[arg(long, value_enum)]
    pub(crate) role: Option<DrillRole>,
    /// The script to write; without it standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DrillRole {
    /// The one that sent the SYN.
    Client,
    /// The one that answered it.
    Server,
}

/// Whose habits a script assumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// Everything written is compared, and times exactly.
    Ours,
    /// Window sizes, the order of options and PSH are Linux's own; 4 ms of tolerance.
    Linux,
    /// The same for FreeBSD.
    Freebsd,
}

/// Options of `outcrop print`.
#[derive(Args, Debug)]
pub(crate) struct Print {
    /// The capture: pcapng of ours or of others, or classic pcap; `-` for standard input, shown as it comes.
    pub(crate) file: PathBuf,
    /// Leave out state and reasons: what tcpdump would print.
    #[arg(long)]
    pub(crate) bare: bool,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
}

/// Options of `outcrop ladder`.
#[derive(Args, Debug)]
pub(crate) struct Ladder {
    /// The capture: pcapng of ours or of others, or classic pcap; `-` for standard input, shown as it comes.
    pub(crate) file: PathBuf,
    /// Draw every event: timers set and stopped, round-trip samples.
    #[arg(long)]
    pub(crate) every_event: bool,
    /// Leave out the sentences that explain notable packets.
    #[arg(long)]
    pub(crate) terse: bool,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
}

/// Options of `outcrop inspect`.
#[derive(Args, Debug)]
pub(crate) struct Inspect {
    /// The capture: pcapng of ours or of others, or classic pcap.
    pub(crate) file: PathBuf,
    /// The page to write.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Of a capture of more than 5,000 packets, the first to draw in detail.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) from: usize,
    /// Another capture to lay over this one, on one axis.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub(crate) compare: Option<PathBuf>,
    /// Play a recorded scenario again with another fate for a packet: drop:17, duplicate:17, delay:17:200ms. A further
    /// one means packets of the future before it.
    #[arg(long, value_name = "FATE:PACKET", conflicts_with_all = ["from", "compare"])]
    pub(crate) what_if: Vec<Change>,
    /// Where to keep the capture of what would have happened.
    #[arg(long, value_name = "FILE", requires = "what_if")]
    pub(crate) capture: Option<PathBuf>,
}

/// Options of `outcrop tui`.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The capture: pcapng of ours or of others, or classic pcap.
    pub(crate) file: PathBuf,
}

/// Options of `outcrop export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The capture.
    pub(crate) file: PathBuf,
    /// The file to write.
    pub(crate) into: PathBuf,
    /// What to write. Without it the name decides: .pcap, .har, .xpl, .sqlog.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) to: Option<Format>,
    /// Which TCP connection xplot and qlog tell of, by its letter in the ladder. Without it the one that carried the most.
    #[arg(long, value_name = "LETTER")]
    pub(crate) conversation: Option<String>,
}

/// A format of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Classic pcap, without comments and events.
    Pcap,
    /// HTTP Archive 1.2.
    Har,
    /// A time-sequence graph for xplot.
    Xplot,
    /// qlog as a JSON text sequence.
    Qlog,
}

/// Options of the demo's client.
#[derive(Args, Debug)]
pub(crate) struct Pipeline {
    /// The server.
    pub(crate) server: SocketAddr,
}

/// Options of `outcrop demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Folder for the capture.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub(crate) out: PathBuf,
    /// When to colour.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl When {
    /// Whether to colour standard output.
    pub(crate) fn colors_stdout(self) -> bool {
        use std::io::IsTerminal as _;
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                std::io::stdout().is_terminal() && !refused
            }
        }
    }
}

#[cfg(test)]
mod tests;
