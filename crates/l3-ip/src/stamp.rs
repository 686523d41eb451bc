//! IPv4 options that ask each router to write something.
//!
//! Job: put our address or the time where a packet in transit asks for it. Owns: the two options' layouts.
//! Does not know: where the packet goes. Sources: RFC 791 3.1, RFC 1812 4.2.2.2 and 5.2.4.1.

use core::net::Ipv4Addr;

use outcrop_base::Instant;

use crate::cut::write_checksum;
use crate::wire::ipv4::HEADER_LEN;

const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
/// RFC 791 3.1: the high bit says that the milliseconds are not those since midnight. Ours are since the start of
/// the run: an engine knows no date.
const NOT_SINCE_MIDNIGHT: u32 = 0x8000_0000;

/// Writes what the options of a header ask of the router `ours`, and mends the checksum. The options were walked
/// and found well formed.
pub(crate) fn stamp(header: &mut [u8], ours: Ipv4Addr, now: Instant) {
    let mut at = HEADER_LEN;
    while let Some([kind, rest @ ..]) = header.get(at..) {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(rest.first().copied().unwrap_or(0)).max(2),
        };
        let kind = *kind;
        if let Some(option) = header.get_mut(at..at + len) {
            match kind {
                RECORD_ROUTE => record(option, ours),
                TIMESTAMP => clock(option, ours, now),
                _ => {}
            }
        }
        at += len;
    }
    write_checksum(header);
}

/// The next free place takes our address; a full list stays as it is.
fn record(option: &mut [u8], ours: Ipv4Addr) {
    let Some(pointer) = option.get(2).copied().filter(|pointer| *pointer >= 4) else {
        return;
    };
    if write(option, pointer, &ours.octets()) {
        advance(option, pointer, 4);
    }
}

fn clock(option: &mut [u8], ours: Ipv4Addr, now: Instant) {
    let (Some(pointer), Some(flags)) = (option.get(2).copied(), option.get(3).copied()) else {
        return;
    };
    if pointer < 5 {
        return;
    }
    let millis = u32::try_from(now.as_nanos() / 1_000_000 % u64::from(NOT_SINCE_MIDNIGHT));
    let stamp = (millis.unwrap_or(0) | NOT_SINCE_MIDNIGHT).to_be_bytes();
    let [a, b, c, d] = ours.octets();
    let [e, f, g, h] = stamp;
    let done = match flags & 0x0f {
        0 => write(option, pointer, &stamp).then_some(4),
        1 => write(option, pointer, &[a, b, c, d, e, f, g, h]).then_some(8),
        // Only the routers named write; for others there is nothing to count as missing.
        3 => {
            let place = usize::from(pointer) - 1;
            let named = option.get(place..).and_then(<[u8]>::first_chunk::<4>);
            if named != Some(&ours.octets()) {
                return;
            }
            write(option, pointer.saturating_add(4), &stamp).then_some(8)
        }
        _ => return,
    };
    match done {
        Some(step) => advance(option, pointer, step),
        // No room: the count of routers that could not write, in the high four bits.
        None => {
            if let Some(flags) = option.get_mut(3)
                && *flags < 0xf0
            {
                *flags += 0x10;
            }
        }
    }
}

/// Writes at a one-based place, if all of it fits.
fn write(option: &mut [u8], pointer: u8, bytes: &[u8]) -> bool {
    let place = usize::from(pointer).saturating_sub(1);
    let room = option.get_mut(place..place + bytes.len());
    room.is_some_and(|room| {
        room.copy_from_slice(bytes);
        true
    })
}

fn advance(option: &mut [u8], pointer: u8, step: u8) {
    if let Some(field) = option.get_mut(2) {
        *field = pointer.saturating_add(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
    const AT: Instant = Instant::from_millis(7);

    /// The options after the router, and whether the checksum is right.
    fn stamped(options: &[u8]) -> Vec<u8> {
        let mut header = vec![
            0x40 | u8::try_from(5 + options.len() / 4).unwrap(),
            0,
            0,
            60,
        ];
        header.extend([0; 16]);
        header.extend_from_slice(options);
        stamp(&mut header, OURS, AT);
        let mut sum = outcrop_base::Checksum::new();
        sum.add(&header);
        assert_eq!(sum.finish(), 0);
        header.split_off(HEADER_LEN)
    }

    #[test]
    fn record_route_takes_our_address_until_it_is_full() {
        assert_eq!(
            stamped(&[7, 7, 4, 0, 0, 0, 0, 0]),
            [7, 7, 8, 10, 1, 0, 1, 0]
        );
        assert_eq!(stamped(&[7, 7, 8, 9, 9, 9, 9, 0]), [7, 7, 8, 9, 9, 9, 9, 0]);
    }

    #[test]
    fn timestamps_are_written_by_their_three_forms_and_what_misses_room_is_counted() {
        assert_eq!(
            stamped(&[68, 8, 5, 0, 0, 0, 0, 0]),
            [68, 8, 9, 0, 0x80, 0, 0, 7]
        );
        let with_address = [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            stamped(&with_address),
            [68, 12, 13, 1, 10, 1, 0, 1, 0x80, 0, 0, 7]
        );
        let named = [68, 12, 5, 3, 10, 1, 0, 1, 0, 0, 0, 0];
        assert_eq!(stamped(&named), [68, 12, 13, 3, 10, 1, 0, 1, 0x80, 0, 0, 7]);
        let other = [68, 12, 5, 3, 10, 1, 0, 9, 0, 0, 0, 0];
        assert_eq!(stamped(&other), other);
        assert_eq!(
            stamped(&[68, 8, 9, 0, 1, 1, 1, 1]),
            [68, 8, 9, 0x10, 1, 1, 1, 1]
        );
    }
}
