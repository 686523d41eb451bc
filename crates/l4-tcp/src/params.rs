//! Every constant that a standard or a measurement gave us.
//!
//! Job: one place where a number says where it comes from and what follows from it.
//! Owns: the numbers. Does not know: who uses them. What a program may change is in `config`.

use core::time::Duration;

/// The maximum segment size assumed when the peer's SYN names none, IPv4 (RFC 9293 3.7.1 MUST-15).
pub const DEFAULT_MSS_V4: u16 = 536;
/// The same for IPv6 (RFC 9293 3.7.1 MUST-15).
pub const DEFAULT_MSS_V6: u16 = 1220;
/// The smallest segment size we let a peer talk us into. A peer that announces 1 would make every
/// byte cost a packet and a record (CVE-2019-11479); Linux uses the same floor.
pub const MIN_PEER_MSS: u16 = 48;
/// The largest shift of the window field (RFC 7323 2.3): a larger one counts as this.
pub const MAX_WINDOW_SHIFT: u8 = 14;

/// The smallest path MTU we believe an ICMP message about: below it, headers would eat the packet
/// (RFC 791: every link takes 68; Linux's floor is 552, `min_pmtu`).
pub const MIN_MTU: u32 = 552;
/// The same for IPv6, whose links all take this much (RFC 8200 5).
pub const MIN_MTU_V6: u32 = 1280;

/// Destinations about whose path there may be news, or doubt, that was not passed on. Beyond, flows learn of a
/// narrower path by their own packets.
pub const PATH_NEWS: usize = 64;
/// The least time between two walks past all connections to tell such news: a million of them take some ten
/// milliseconds, and a peer decides how often there is news.
pub const PATH_WALK_PAUSE: Duration = Duration::from_secs(1);

/// Where the search for a path's MTU begins and where it goes back to, IPv4 (RFC 8899 5.1.2, BASE_PLPMTU; RFC
/// 4821 7.2 says about 1024): tunnels of every usual kind leave more. IPv6 goes back to [`MIN_MTU_V6`].
pub const BASE_MTU: u32 = 1200;
/// Timeouts in a row of a segment larger than [`BASE_MTU`] that mean a black hole (RFC 4821 7.7 leaves the count open).
/// The count of R1: by then other hosts doubt the path as well.
pub const BLACK_HOLE_TIMEOUTS: u8 = 3;
/// Probes of one size before it counts as too large (RFC 8899 5.1.2, MAX_PROBES): a loss may have other reasons.
pub const MAX_PROBES: u8 = 3;
/// Bytes below which a search takes its upper end at once: PPPoE takes 8 of 1500, 802.1Q takes 4.
pub const PROBE_STEP: u32 = 8;
/// The pause after a lost probe, so that what probes cost stays far below what congestion would (RFC 4821 7.6.2).
pub const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// The pause before a finished search begins again (RFC 8899 5.1.1, PMTU_RAISE_TIMER; RFC 4821 7.6.1).
pub const PROBE_AGAIN: Duration = Duration::from_secs(600);

/// The first retransmission timeout of a SYN (RFC 6298 2.1).
pub const SYN_RTO: Duration = Duration::from_secs(1);
/// The retransmission timeout of data after a SYN had to be repeated (RFC 6298 5.7).
pub const RTO_AFTER_SYN_LOSS: Duration = Duration::from_secs(3);
/// The longest wait between two SYNs, or two probes of any kind (RFC 6298 2.5 allows no less than 60 s).
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Repeats of our SYN before `connect` fails: 1+2+4+8+16+32+60 s, and the last wait of 60 s, exceed the
/// three minutes that RFC 9293 3.8.3 MUST-23 asks for R2 of a SYN.
pub const SYN_RETRIES: u8 = 7;
/// Repeats of our SYN-ACK before the embryo is given up: the same three minutes (MUST-23 speaks of any SYN).
/// A flood of SYNs nobody completes fills the queue; then cookies do without it.
pub const SYN_ACK_RETRIES: u8 = SYN_RETRIES;
/// R1 of RFC 9293 3.8.3 SHLD-10: after three retransmissions the path is doubted.
pub const R1: u8 = 3;
/// R2 of RFC 9293 3.8.3 SHLD-11: data is given up after this long without acknowledgment,
/// at least 100 s. Linux's fifteen retransmissions come to 924 s.
pub const R2: Duration = Duration::from_secs(924);
/// `L_LIMIT`: a peer cannot make us give up sooner (RFC 5482 3.1; RFC 9293 3.8.3 SHLD-11 asks for 100 s).
pub const USER_TIMEOUT_MIN: Duration = Duration::from_secs(100);
/// `U_LIMIT`: a peer cannot make us keep its data longer than a keep-alive would wait (RFC 5482 3.1, 6).
pub const USER_TIMEOUT_MAX: Duration = Duration::from_secs(7200);

/// How long a remembered timestamp stays comparable: after 24 idle days it may have wrapped (RFC 7323 5.5).
pub const TIMESTAMP_LIFETIME: Duration = Duration::from_secs(24 * 24 * 3600);

/// The delayed acknowledgment's wait: RFC 9293 3.8.6.3 MUST-40 allows less than 500 ms; 40 ms
/// spares most of the pure ACKs of an exchange and stays below any peer's retransmission timeout.
pub const DELAYED_ACK: Duration = Duration::from_millis(40);
/// The longest delay a program can ask for: an acknowledgment waits for less than half a second
/// (RFC 9293 3.8.6.3 MUST-40).
pub const DELAYED_ACK_MAX: Duration = Duration::from_millis(499);

/// Keep-alive's first probe, when a program asks for keep-alive at all (RFC 9293 3.8.4 MUST-28: two hours).
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(7200);
/// The wait between keep-alive probes.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(75);
/// Unanswered keep-alive probes before the connection is given up (MUST-29: never after one).
pub const KEEP_ALIVE_PROBES: u8 = 9;

/// TIME-WAIT: 2 MSL with an MSL of 30 s. Deviation from RFC 9293 3.4.2, whose MSL is two minutes and
/// "may be changed if experience indicates": every large deployment keeps 60 s or less.
pub const TIME_WAIT: Duration = Duration::from_secs(60);
/// How long a connection the program has let go of may wait in FIN-WAIT-2 for the peer's FIN
/// (RFC 9293 3.6.1 leaves it to the implementation; Linux: 60 s).
pub const FIN_WAIT_2: Duration = Duration::from_secs(60);

/// Challenge ACKs one connection may send in [`CHALLENGE_WINDOW`] (RFC 5961 7: a limit; ours is per
/// connection, so that nobody learns about one flow through another: CVE-2016-5696).
pub const CHALLENGES: u8 = 5;
/// The span over which challenges are counted.
pub const CHALLENGE_WINDOW: Duration = Duration::from_secs(1);

/// How long nothing must have happened before a connection is kept in its small form. Longer than a second of
/// challenges and any usual delayed acknowledgment; short against the pauses of people.
pub const QUIET: Duration = Duration::from_secs(1);

/// Stateless answers waiting to leave; one more is dropped and counted (the peer repeats itself).
pub const REPLY_QUEUE: usize = 256;

/// The SYN queue and the accept queue of a listener, unless the program says otherwise.
pub const BACKLOG: usize = 1024;

/// How many minutes a SYN cookie is good for, counted by the clock's own minutes: between one and two,
/// longer than a peer's SYN-ACK can travel, short enough that guessing one does not pay (RFC 4987 3.6).
pub const COOKIE_MINUTES: u32 = 2;
/// The segment sizes a SYN cookie can keep, IPv4: three bits. The floor, the default (RFC 9293 3.7.1), and what
/// links of 1260, 1400, 1420, 1492 (PPPoE), 1500 and 9000 bytes leave.
pub const COOKIE_MSS_V4: [u16; 8] = [MIN_PEER_MSS, 536, 1220, 1360, 1380, 1452, 1460, 8960];
/// The same for IPv6, whose headers take 20 bytes more.
pub const COOKIE_MSS_V6: [u16; 8] = [MIN_PEER_MSS, 1220, 1280, 1340, 1360, 1432, 1440, 8940];

/// How long the server's fast-open key lasts; a cookie is good in the period it was given in and the next
/// (RFC 7413 4.1.2 asks for expiry without a number: a day or two is enough for clients that come back).
pub const FAST_OPEN_PERIOD: Duration = Duration::from_secs(24 * 3600);
/// How long a client does without after a SYN with text was lost (RFC 7413 4.1.3.1; Linux begins with an hour).
pub const FAST_OPEN_BLOCK: Duration = Duration::from_secs(3600);
/// Servers a client remembers cookies of (RFC 7413 4.1.3: bounded).
pub const FAST_OPEN_CACHE: usize = 1024;

/// Dynamic ports by RFC 6335 6; RFC 6056 3.2 would allow 1024 and up, where services live as well.
pub const EPHEMERAL_FIRST: u16 = 49_152;

/// Ends of records a connection keeps apart at once; further ones are sent together.
pub const MAX_RECORDS: usize = 1024;

/// Plans one connection may emit before the next connection has its turn.
pub const TURN: u8 = 16;

/// The retransmission timeout before the first sample (RFC 6298 2.1).
pub const RTO_INITIAL: Duration = Duration::from_secs(1);
/// D-01: RFC 6298 2.4 asks for a floor of one second. Like Linux we take 200 ms, and take it as the clock
/// granularity G of the formula `SRTT + max(G, 4 x RTTVAR)`: a steady path never drops below
/// SRTT + 200 ms, which lies beyond any usual delayed acknowledgment.
pub const RTO_MIN: Duration = Duration::from_millis(200);
/// The ceiling of the retransmission timeout, backoff included (RFC 6298 2.5: at least 60 s).
pub const RTO_MAX: Duration = Duration::from_secs(120);
/// How long the smallest round trip is remembered before a newer, larger one replaces it. Long enough to
/// survive a queue that stands for minutes, short enough to notice a new route.
pub const MIN_RTT_WINDOW: Duration = Duration::from_secs(300);

/// Initial window in segments (RFC 6928 2).
pub const INITIAL_WINDOW_SEGMENTS: u64 = 10;
/// Initial window in bytes, unless two segments are more (RFC 6928 2): ten segments of 1460.
pub const INITIAL_WINDOW_BYTES: u64 = 14_600;
/// The least a congestion event may leave, in segments (RFC 5681 3.1 equation 4).
pub const MIN_WINDOW_SEGMENTS: u64 = 2;
/// L: slow start grows by at most so many segments for one acknowledgment. RFC 9406 4.2 says 8 where
/// nothing paces; the 2 of RFC 3465 2.3 would punish a peer that acknowledges merged segments.
pub const SLOW_START_LIMIT_SEGMENTS: u16 = 8;

/// Duplicate acknowledgments that mean a loss (RFC 5681 3.2).
pub const DUP_THRESH: u32 = 3;
/// Separate ranges the sender remembers as selectively acknowledged, however little is outstanding. What a peer
/// reports beyond is not believed yet and costs at most a needless retransmission.
pub const MAX_SACKED_RANGES: usize = 1024;
/// Beyond, one more for so many bytes outstanding: two of the smallest segments an honest path carries (536 bytes), since
/// there is a gap between two ranges.
pub const SACKED_RANGE_AVERAGE: u64 = 1024;
/// Pieces of out-of-order data a receiver keeps whatever their size. Beyond, the pieces must hold
/// [`OUT_OF_ORDER_AVERAGE`] bytes each on average: somebody who sends crumbs (CVE-2018-5390) has them
/// dropped, and they will come again.
pub const MAX_OUT_OF_ORDER: usize = 1024;
/// See [`MAX_OUT_OF_ORDER`]. Less than the smallest segment an honest path carries (536 bytes).
pub const OUT_OF_ORDER_AVERAGE: usize = 512;
/// What waits in a receive queue stays in the buffer it was read into only if it is so long: half of such a buffer. Shorter
/// pieces are copied, out of order at once, in order when they were not read in the turn they came in: whatever a peer
/// sends, no more than twice what is queued is pinned.
pub const KEEP_FROM: usize = 34 * 1024;

/// What the receive buffer begins with: the middle of Linux's `tcp_rmem`. Twice what an initial window and two
/// doublings of it bring, so that the buffer has grown before it is what holds a sender back.
pub const RECEIVE_BUFFER: u32 = 128 << 10;
/// What the receive buffer grows to (Linux's `tcp_rmem`): a gigabit a second over 50 ms. It decides the window
/// scale.
pub const RECEIVE_BUFFER_MAX: u32 = 6 << 20;
/// What the send buffer begins with: more than two initial windows, as Linux gives a connection at its start.
pub const SEND_BUFFER: u32 = 64 << 10;
/// What the send buffer grows to (Linux's `tcp_wmem`).
pub const SEND_BUFFER_MAX: u32 = 4 << 20;
/// Bytes all connections of an endpoint may queue together. Forty connections with the largest buffers fill it; a
/// thousand with those they begin with do not.
pub const MEMORY_MAX: u64 = 256 << 20;
/// D-31. Full segments a connection may always queue, however scarce memory is: it goes on, slowly, and none starves.
pub const LAST_SEGMENTS: u32 = 4;

/// An acknowledgment is sent at once for this many segments at the start of a connection or after a
/// pause, while the peer's window grows by our acknowledgments.
pub const QUICK_ACKS: u8 = 16;
/// Two segments of the same length in a row, at least this long, are taken for full ones by the eager style of
/// acknowledging (Linux's `TCP_MIN_MSS`): shorter ones are words of a conversation.
pub const MIN_FULL_SEGMENT: u64 = 88;
/// The shortest delayed-acknowledgment wait the adaptive policy goes down to.
pub const DELAYED_ACK_MIN: Duration = Duration::from_millis(4);

/// The least wait of the tail loss probe's timer (RFC 8985 7.2 has no floor but two delayed ACKs' worth).
pub const TLP_MIN: Duration = Duration::from_millis(10);
/// The wait of a tail loss probe before there is a round trip to go by (RFC 8985 7.2).
pub const TLP_WITHOUT_RTT: Duration = Duration::from_secs(1);
/// What a tail loss probe adds when only one segment is outstanding, for the peer's delayed
/// acknowledgment (RFC 8985 7.2, WCDelAckT).
pub const WORST_DELAYED_ACK: Duration = Duration::from_millis(200);
/// Round trips after which an enlarged reordering window shrinks again (RFC 8985 6.2 step 4).
pub const REO_WND_PERSIST: u8 = 16;

/// The least rise of a round's smallest round trip that ends slow start (RFC 9406 4.3).
pub const HYSTART_MIN_RTT_THRESH: Duration = Duration::from_millis(4);
/// The rise that always ends it (RFC 9406 4.3).
pub const HYSTART_MAX_RTT_THRESH: Duration = Duration::from_millis(16);
/// Between the two, this fraction of the round trip counts (RFC 9406 4.3).
pub const HYSTART_MIN_RTT_DIVISOR: u32 = 8;
/// Samples before a round's minimum is believed (RFC 9406 4.3).
pub const HYSTART_SAMPLES: u16 = 8;
/// How much slower conservative slow start grows (RFC 9406 4.3).
pub const HYSTART_CSS_DIVISOR: u64 = 4;
/// Rounds of conservative slow start before congestion avoidance (RFC 9406 4.3).
pub const HYSTART_CSS_ROUNDS: u16 = 5;
