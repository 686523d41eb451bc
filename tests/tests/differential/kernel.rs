//! The Linux kernel as a host: this program once more, inside the private network, with ordinary sockets.
//!
//! Job: hear of a script and a role by a line of standard input, play it, say the outcomes in a line of standard
//! output. Owns: the sockets. Does not know: who is at the other end of the TUN.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use outcrop_device::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::player::{Got, Host, Player};
use crate::script::{Role, Script, Seen};
use crate::wire::Pair;

/// What tells this program to be the kernel's side.
pub(crate) const SIDE: &str = "OUTCROP_DIFFERENTIAL_KERNEL";
/// What its lines begin with: the test harness writes lines of its own.
pub(crate) const MARK: &str = "~ ";
/// Nobody waits longer for a line: far beyond any script.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Line {
    listener: Option<TcpListener>,
    stream: Option<TcpStream>,
    connects: bool,
    opened: bool,
}

#[derive(Default)]
struct Kernel {
    lines: Vec<Line>,
}

fn seen(error: &std::io::Error) -> Seen {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Seen::Reset,
        ErrorKind::ConnectionRefused => Seen::Refused,
        _ => Seen::Lost,
    }
}

/// A socket with the script's window; `SO_RCVBUF` counts the kernel's own overhead twice.
fn socket(address: IpAddr, script: &Script) -> OwnedFd {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = socket_with(family, SocketType::STREAM, flags, None).unwrap();
    if let Some(window) = script.window {
        sockopt::set_socket_recv_buffer_size(&fd, window as usize).unwrap();
    }
    fd
}

impl Kernel {
    fn begin(&mut self, script: &Script, role: Role, pair: &Pair) {
        self.lines.clear();
        for number in 0..script.lines.len() {
            let at = SocketAddr::new(pair.listener, pair.port(number));
            let mut line = Line::default();
            match role {
                Role::Listener if script.served => {
                    let fd = socket(pair.listener, script);
                    rustix::net::bind(&fd, &at).unwrap();
                    rustix::net::listen(&fd, 8).unwrap();
                    line.listener = Some(fd.into());
                }
                Role::Listener => {}
                Role::Opener => {
                    let fd = socket(pair.listener, script);
                    match connect(&fd, &at) {
                        Ok(()) | Err(Errno::INPROGRESS) => {}
                        Err(error) => panic!("connect {at}: {error}"),
                    }
                    line.connects = true;
                    line.stream = Some(fd.into());
                }
            }
            self.lines.push(line);
        }
    }

    fn stream(&mut self, line: usize) -> &mut TcpStream {
        self.lines[line].stream.as_mut().expect("the line is open")
    }

    /// Waits until a socket may have news, ten milliseconds at most.
    fn wait(&self) {
        let mut fds = Vec::new();
        for line in &self.lines {
            if let Some(listener) = &line.listener {
                fds.push(PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
            }
        }
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        let _some = poll(&mut fds, Some(&limit)).unwrap();
    }
}

impl Host for Kernel {
    fn opened(&mut self, line: usize) -> Option<Result<(), Seen>> {
        let place = &mut self.lines[line];
        if let (Some(listener), None) = (&place.listener, &place.stream)
            && let Ok((stream, _)) = listener.accept()
        {
            stream.set_nonblocking(true).unwrap();
            place.stream = Some(stream);
        }
        let stream = place.stream.as_ref()?;
        if !place.connects || place.opened {
            return Some(Ok(()));
        }
        if let Some(error) = stream.take_error().unwrap() {
            return Some(Err(seen(&error)));
        }
        place.opened = stream.peer_addr().is_ok();
        place.opened.then_some(Ok(()))
    }

    fn read(&mut self, line: usize, into: &mut Vec<u8>) -> Got {
        let mut piece = [0; 16 * 1024];
        match self.stream(line).read(&mut piece) {
            Ok(0) => Got::End(Seen::Finished),
            Ok(len) => {
                into.extend_from_slice(&piece[..len]);
                Got::Bytes
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Got::Nothing,
            Err(error) => Got::End(seen(&error)),
        }
    }

    fn write(&mut self, line: usize, bytes: &[u8]) -> Result<usize, Seen> {
        match self.stream(line).write(bytes) {
            Ok(taken) => Ok(taken),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(seen(&error)),
        }
    }

    fn finish(&mut self, line: usize) {
        // A connection that has been reset meanwhile has nothing to finish.
        let _reset = self.stream(line).shutdown(std::net::Shutdown::Write);
    }

    fn abort(&mut self, line: usize) {
        let stream = self.stream(line);
        sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
    }

    fn close(&mut self, line: usize) {
        self.lines[line].stream = None;
        self.lines[line].listener = None;
    }
}

/// Plays what standard input asks for until it ends.
pub(crate) fn serve() {
    let clock = Clock::start();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().expect("ROLE ADDRESS PORT SCRIPT");
        let role = match word() {
            "opener" => Role::Opener,
            _ => Role::Listener,
        };
        let pair = Pair {
            listener: word().parse().unwrap(),
            ports: word().parse().unwrap(),
        };
        let script: Script = word().parse().unwrap();
        play(&script, role, &pair, &clock);
    }
}

fn play(script: &Script, role: Role, pair: &Pair, clock: &Clock) {
    let mut kernel = Kernel::default();
    kernel.begin(script, role, pair);
    say("ready");
    let mut players = Player::all(script, role);
    if role == Role::Listener && !script.served {
        players.clear();
    }
    let end = clock.now() + PATIENCE;
    while clock.now() < end {
        let mut moved = false;
        for player in &mut players {
            moved |= player.advance(&mut kernel, clock.now());
        }
        if players.iter().all(|player| player.outcome().is_some()) {
            break;
        }
        if !moved {
            kernel.wait();
        }
    }
    let told: Vec<_> = players
        .iter()
        .map(|player| match player.outcome() {
            Some(outcome) => outcome.to_string(),
            None => format!("! {}", player.describe()),
        })
        .collect();
    say(&told.join(" "));
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{text}").unwrap();
    out.flush().unwrap();
}
