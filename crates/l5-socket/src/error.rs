//! The engines' errors as the operating system's.
//!
//! Job: the one place where a call's error, or the end of a connection, becomes an [`ErrorKind`].
//! Owns: the table. Does not know: which socket it happened on. The engine's own error stays inside.
//! Sources: RFC 9293 3.10 (the error texts of the user calls), POSIX's names for them.

use std::io::{self, ErrorKind};

use outcrop_base::PathSignalKind;
use outcrop_stack::ip::{GroupError, PingError, Quote};
use outcrop_stack::tcp::auth::KeyError;
use outcrop_stack::tcp::{CloseReason, ListenError, ReadError, StaleId, WriteError};
use outcrop_stack::udp::{BindError, PathError, UnknownSocket};
use outcrop_stack::{ConnectError, SendError, tcp, udp};

use crate::OptionError;

/// How a connection ended. After a finish nothing was lost, yet nothing more can be sent.
pub(crate) fn ended(reason: CloseReason) -> io::Error {
    let kind = match reason {
        CloseReason::Finished => ErrorKind::BrokenPipe,
        CloseReason::Reset => ErrorKind::ConnectionReset,
        CloseReason::Refused => ErrorKind::ConnectionRefused,
        CloseReason::TimedOut => ErrorKind::TimedOut,
        CloseReason::Unreachable => ErrorKind::HostUnreachable,
        CloseReason::Aborted => ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, format!("the connection ended: {reason}"))
}

pub(crate) fn read(error: ReadError) -> io::Error {
    match error {
        ReadError::Closed(reason) => ended(reason),
        ReadError::WouldBlock => io::Error::new(ErrorKind::WouldBlock, error),
        ReadError::Stale => stale(StaleId),
        _ => io::Error::other(error),
    }
}

pub(crate) fn write(error: WriteError) -> io::Error {
    match error {
        WriteError::Shutdown => io::Error::new(ErrorKind::BrokenPipe, error),
        WriteError::Closed(reason) => ended(reason),
        WriteError::Stale => stale(StaleId),
        _ => io::Error::other(error),
    }
}

pub(crate) fn stale(error: StaleId) -> io::Error {
    io::Error::new(ErrorKind::NotConnected, error)
}

pub(crate) fn listen(error: ListenError) -> io::Error {
    let kind = match error {
        ListenError::AddressInUse => ErrorKind::AddrInUse,
        ListenError::NoPort => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn group(error: GroupError) -> io::Error {
    let kind = match error {
        GroupError::TooMany | GroupError::TooManySources => ErrorKind::OutOfMemory,
        GroupError::UnknownInterface
        | GroupError::NotAGroup
        | GroupError::NotJoined
        | GroupError::NotASource
        | GroupError::OtherMode
        | GroupError::NotNamed
        | _ => ErrorKind::InvalidInput,
    };
    io::Error::new(kind, error)
}

pub(crate) fn option(error: OptionError) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, error)
}

pub(crate) fn connect(error: ConnectError) -> io::Error {
    let kind = match &error {
        ConnectError::NoRoute => ErrorKind::NetworkUnreachable,
        ConnectError::NotOurs => ErrorKind::AddrNotAvailable,
        ConnectError::Tcp(inner) => match inner {
            tcp::ConnectError::AlreadyExists => ErrorKind::AddrInUse,
            tcp::ConnectError::NoPortFree | tcp::ConnectError::OtherShare => {
                ErrorKind::AddrNotAvailable
            }
            tcp::ConnectError::BadRemote => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        },
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn key(error: KeyError) -> io::Error {
    let kind = match error {
        KeyError::Stale => ErrorKind::NotConnected,
        KeyError::Unknown => ErrorKind::NotFound,
        KeyError::InUse => ErrorKind::ResourceBusy,
        KeyError::TooMany => ErrorKind::QuotaExceeded,
        KeyError::BadLength
        | KeyError::BadPrefix
        | KeyError::OtherKind
        | KeyError::DuplicateId
        | KeyError::TooLate
        | KeyError::OtherPeer => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn bind(error: BindError) -> io::Error {
    let kind = match error {
        BindError::InUse => ErrorKind::AddrInUse,
        BindError::NoPort => ErrorKind::AddrNotAvailable,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn send(error: SendError) -> io::Error {
    let kind = match &error {
        SendError::NoRoute => ErrorKind::NetworkUnreachable,
        SendError::Udp(inner) => match inner {
            udp::SendError::UnknownSocket | udp::SendError::NotConnected => ErrorKind::NotConnected,
            udp::SendError::Address | udp::SendError::TooLong { .. } => ErrorKind::InvalidInput,
            udp::SendError::QueueFull => ErrorKind::WouldBlock,
            _ => ErrorKind::Other,
        },
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn udp_connect(error: udp::ConnectError) -> io::Error {
    let kind = match error {
        udp::ConnectError::UnknownSocket => ErrorKind::NotConnected,
        udp::ConnectError::Address => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

pub(crate) fn unknown(error: UnknownSocket) -> io::Error {
    io::Error::new(ErrorKind::NotConnected, error)
}

/// What the path said about a datagram of ours.
pub(crate) fn datagram(said: PathError) -> io::Error {
    let text = format!("the path says that {} cannot be reached", said.remote);
    io::Error::new(path(said.kind), text)
}

pub(crate) fn ping(error: PingError) -> io::Error {
    let kind = match error {
        PingError::NoRoute => ErrorKind::NetworkUnreachable,
        PingError::TooLong => ErrorKind::InvalidInput,
        PingError::QueueFull => ErrorKind::WouldBlock,
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// What the path's news means.
const fn path(kind: PathSignalKind) -> ErrorKind {
    match kind {
        PathSignalKind::Hard => ErrorKind::ConnectionRefused,
        PathSignalKind::Disrupted | PathSignalKind::Soft | PathSignalKind::Redirected => {
            ErrorKind::HostUnreachable
        }
        PathSignalKind::TooBig(_) => ErrorKind::InvalidInput,
    }
}

/// An ICMP error that came instead of an echo.
pub(crate) fn quoted(quote: &Quote) -> io::Error {
    let Quote {
        from,
        icmp_type,
        icmp_code,
        ..
    } = quote;
    io::Error::new(
        path(quote.kind),
        format!("{from} says: unreachable (ICMP type {icmp_type}, code {icmp_code})"),
    )
}
