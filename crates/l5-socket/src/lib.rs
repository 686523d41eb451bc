//! Layer 5 of the Outcrop stack: the sockets that programs hold.
//!
//! ```text
//!      tasks (local executor, tokio)            threads
//!             │ async                              │ blocking: a condition variable a call
//!      ┌──────▼────────────────────────────────────▼──────┐
//!      │ TcpListener  TcpStream  UdpSocket  Ping          │  each is (Shard, id), Send + Sync
//!      └──────┬────────────────────────────────────▲──────┘
//!             │ call, poll                         │ wake
//!      ┌──────▼────────────────────────────────────┴──────┐
//!      │ Shard: Mutex<Core>, wakers, timers               │
//!      └──────────────────────────────────────────────────┘
//! ```
//!
//! A socket holds no data: what is read comes out of the engine, what is written goes into it, by one
//! locked call that hands pieces over and does not copy. So a future dropped half-way loses nothing,
//! and the window the peer sees is the program's own.
//!
//! | verb | here |
//! |---|---|
//! | from above | `connect`, `accept`, `read_chunk`, `write_queue`, `finish`, `send_to`, `recv`, `ping` |
//! | to below | [`Shard::call`] and [`Shard::poll`](outcrop_stack::Shard::poll) |
//! | the clock | [`timeout`] and [`deadline()`], in the run's time |
//! | to neighbours | a [`TcpStream`] is a [`ByteStream`](outcrop_base::ByteStream): TLS and HTTP run over it |
//!
//! Two hosts in one thread, joined by memory:
//!
//! ```
//! use core::time::Duration;
//! use outcrop_base::{InterfaceId, Seed, WallClock};
//! use outcrop_device::{Caps, Clock, PairEnd, pair};
//! use outcrop_socket::{TcpListener, TcpStream};
//! use outcrop_stack::ip::{Cidr, InterfaceConfig};
//! use outcrop_stack::{Config, Core, Driver, Runner, Shard};
//!
//! fn host(last: u8, device: PairEnd, clock: &Clock) -> Driver<PairEnd> {
//!     let mut core = Core::new(Config::default(), &Seed::from_number(7));
//!     let addresses = vec![Cidr::new([10, 0, 0, last].into(), 24).unwrap()];
//!     core.add_interface(InterfaceConfig::tun(InterfaceId(0), 1500, addresses)).unwrap();
//!     let shard = Shard::new(core, clock.clone(), WallClock::new(Duration::ZERO)).unwrap();
//!     Driver::new(shard, InterfaceId(0), device, ())
//! }
//!
//! let clock = Clock::start();
//! let (a, b) = pair(Caps::plain(1500), &clock);
//! let (mut one, mut two) = (host(1, a, &clock), host(2, b, &clock));
//! let (here, there) = (one.shard().clone(), two.shard().clone());
//!
//! let listener = TcpListener::bind(&here, ([10, 0, 0, 1], 80).into()).unwrap();
//! let mut server = Runner::new(&here);
//! server.tasks().spawn(async move {
//!     let mut stream = listener.accept().await.unwrap();
//!     let request = stream.read_chunk().await.unwrap().unwrap();
//!     stream.write_all(&request.to_ascii_uppercase()).await.unwrap();
//! }).detach();
//!
//! let mut client = Runner::new(&there);
//! let answer = client.tasks().spawn(async move {
//!     let mut stream = TcpStream::connect(&there, ([10, 0, 0, 1], 80).into()).await.unwrap();
//!     stream.write_all(b"hello").await.unwrap();
//!     stream.read_chunk().await.unwrap().unwrap()
//! });
//! while !answer.is_finished() {
//!     one.turn(|| server.run_until_stalled()).unwrap();
//!     two.turn(|| client.run_until_stalled()).unwrap();
//! }
//! # let answer = outcrop_socket::blocking::block_on(answer);
//! assert_eq!(&answer[..], b"HELLO");
//! ```
//!
//! # Files, in reading order
//! `stream` the heart; `option` what can be set, `socket` where before connecting; `listener`, `split`, `datagram`, `echo`; `error` what the calls' errors are to an
//! operating system; `deadline`; `blocking`; `tokio` with `tokio/compat`, `tokio/drive` and `tokio/connector` (feature `hyper`).
//!
//! # Not here
//! No loop ([`Driver`](outcrop_stack::Driver) is in `stack`), no protocol state, no TLS, no names: an
//! address is an address.
#![forbid(unsafe_code)]

pub mod blocking;
mod datagram;
mod deadline;
mod echo;
mod error;
mod listener;
mod option;
mod raw;
mod socket;
mod split;
mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use datagram::UdpSocket;
pub use deadline::{Elapsed, deadline, timeout};
pub use echo::Ping;
pub use listener::TcpListener;
pub use option::{OptionError, TcpOption};
#[doc(no_inline)]
pub use outcrop_stack::Shard;
pub use outcrop_stack::ip::SourceFilter;
pub use raw::RawSocket;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf};
pub use stream::TcpStream;
