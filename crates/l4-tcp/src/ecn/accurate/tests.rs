use super::*;

fn server() -> Accurate {
    Accurate::new(false, Mark::NotEct, None)
}

fn client(mark: Mark) -> Accurate {
    Accurate::new(true, mark, Some(AccurateOption::new(false, &[1, 0, 1])))
}

const fn heard(count: u32, segments: u64) -> Heard {
    Heard {
        flags: flags(count),
        option: None,
        pure: true,
        segments,
        mss: 1000,
    }
}

/// A server that has met the acknowledgment of its answer.
fn established() -> Accurate {
    let mut end = server();
    assert_eq!(end.on_ack(&heard(0b010, 0)), 0);
    end
}

// 3.2.2.1, table 4: what the acknowledgment of our unmarked answer says.
#[test]
fn acknowledgment_of_the_answer_tells_how_it_arrived() {
    for (bits, marked, marks) in [
        (0b000, 0, false),
        (0b001, 0, true),
        (0b010, 0, true),
        (0b011, 0, false),
        (0b100, 0, false),
        (0b101, 0, true),
        (0b110, 1, false),
        (0b111, 0, true),
    ] {
        let mut end = server();
        assert_eq!(end.on_ack(&heard(bits, 0)), marked, "{bits:03b}");
        assert_eq!(end.marks(), marks, "{bits:03b}");
        // Note 1: after zero nothing reported counts any more.
        let later = end.on_ack(&heard(if marked == 1 { 8 } else { 7 }, 1));
        assert_eq!(later, if bits == 0 { 0 } else { 2 }, "{bits:03b}");
    }
}

// 3.2.2.1, table 3; 3.2.2.2: a marked answer counts once.
#[test]
fn client_reflects_the_mark_of_the_answer_and_counts_it() {
    for (mark, bits, count) in [
        (Mark::NotEct, 0b010, 5),
        (Mark::Ect1, 0b011, 5),
        (Mark::Ect0, 0b100, 5),
        (Mark::Ce, 0b110, 6),
    ] {
        let mut end = client(mark);
        assert!(end.owes_reflection());
        assert_eq!(ace(end.flags(true)), bits);
        assert_eq!(ace(end.flags(false)), count, "with data it is the counter");
        end.on_sent(true, false);
        assert_eq!(ace(end.flags(true)), count);
    }
}

// 3.2.2: three bits of the counter, on whatever leaves.
#[test]
fn marked_packets_are_counted_modulo_eight() {
    let mut end = established();
    for n in 0..20 {
        assert_eq!(u32::from(ace(end.flags(true))), (5 + n) % 8);
        let _now = end.on_packet(Mark::Ce, 1, 0, false);
    }
    assert_eq!(end.arrived_marked(), 20);
}

// 3.2.2.5.1: at once for the first mark on data, for every second with data, for every third without.
#[test]
fn marks_are_acknowledged_at_once_when_they_begin_and_by_count() {
    let mut end = established();
    assert!(!end.on_packet(Mark::Ect0, 1, 1000, false));
    assert!(end.on_packet(Mark::Ce, 1, 1000, true), "a change");
    end.on_sent(true, false);
    assert!(
        !end.on_packet(Mark::Ce, 1, 1000, false),
        "no change, the first"
    );
    assert!(end.on_packet(Mark::Ce, 1, 1000, true), "the second");
    end.on_sent(true, false);
    assert!(!end.on_packet(Mark::Ce, 1, 0, false));
    assert!(!end.on_packet(Mark::Ce, 1, 0, false));
    assert!(
        end.on_packet(Mark::Ce, 1, 0, false),
        "the third without data"
    );
}

// 3.2.2.5.2 and appendix A.2.
#[test]
fn counter_that_may_have_wrapped_is_read_as_the_safest() {
    let mut end = established();
    assert_eq!(end.on_ack(&heard(6, 2)), 1);
    assert_eq!(end.on_ack(&heard(6, 7)), 0, "seven cannot wrap");
    assert_eq!(end.on_ack(&heard(6, 17)), 16, "17 may have wrapped twice");
    // The least increment that fits three bits is 2: of 12 segments at most 10.
    assert_eq!(end.on_ack(&heard(0, 12)), 10);
}

// The same with the option: its bytes tell how often it wrapped.
#[test]
fn option_tells_how_often_the_counter_wrapped() {
    let mut end = established();
    let with = |count, segments, ceb| Heard {
        option: Some(AccurateOption::new(false, &[1 + 17_000, ceb])),
        ..heard(count, segments)
    };
    assert_eq!(end.on_ack(&with(6, 17, 1000)), 1);
    assert_eq!(end.on_ack(&with(6, 17, 9000)), 8);
    assert_eq!(end.delivered().ce, 9000);
    assert!(end.marks());
}

// 3.2.3.1: 24 bits wrap.
#[test]
fn byte_counter_wraps_at_24_bits() {
    let mut end = established();
    for (ceb, count) in [(0x00ff_ff00, 6), (0x0000_0100, 7)] {
        let told = Heard {
            option: Some(AccurateOption::new(false, &[1, ceb])),
            ..heard(count, 1)
        };
        assert_eq!(end.on_ack(&told), 1);
    }
    assert_eq!(end.delivered().ce, 0x0100_0100);
}

// 3.2.3.2.5: marked bytes without a marked packet.
#[test]
fn bytes_without_packets_are_tampered_with_and_marks_end() {
    let mut end = established();
    let told = Heard {
        option: Some(AccurateOption::new(false, &[1, 500])),
        ..heard(5, 1)
    };
    assert_eq!(end.on_ack(&told), 0);
    assert!(!end.marks());
}

// 3.2.2.4: the first count after the handshake is zero.
#[test]
fn zeroed_counter_is_not_believed() {
    let mut end = client(Mark::NotEct);
    assert_eq!(end.on_ack(&heard(0, 1)), 0);
    assert!(!end.marks());
    for (first, marked) in [(5, 0), (6, 1), (7, 2), (1, 4), (2, 5), (3, 6), (4, 7)] {
        let mut end = client(Mark::NotEct);
        let said = end.on_ack(&heard(first, 1));
        assert_eq!(said, marked, "any other beginning is believed: {first}");
        assert!(end.marks());
    }
}

// 3.2.3.2.4: fields that begin with one arrive as zero.
#[test]
fn zeroed_option_is_ignored_for_good() {
    for fields in [&[0, 0, 0][..], &[0, 500], &[0], &[1, 0, 0]] {
        let zeroed = Some(AccurateOption::new(false, fields));
        let mut end = Accurate::new(true, Mark::NotEct, zeroed);
        let told = Heard {
            option: Some(AccurateOption::new(false, &[1, 5000])),
            ..heard(6, 17)
        };
        assert_eq!(
            end.on_ack(&told),
            17,
            "the conservative reading: {fields:?}"
        );
        assert_eq!(end.delivered().ce, 0);
    }
}

// 3.2.3.3: what never changed is left out, ECT(1) alone takes the other order.
#[test]
fn option_has_the_fields_that_ever_changed() {
    let told = |marks: &[Mark]| {
        let mut end = established();
        for mark in marks {
            let _now = end.on_packet(*mark, 1, 100, false);
        }
        let option = end.option(40, false);
        option.map(|option| (option.order_1, option.as_slice().to_vec()))
    };
    assert_eq!(told(&[]), None);
    assert_eq!(told(&[Mark::NotEct]), None);
    assert_eq!(told(&[Mark::Ect0]), Some((false, vec![101])));
    assert_eq!(told(&[Mark::Ect0, Mark::Ce]), Some((false, vec![101, 100])));
    assert_eq!(told(&[Mark::Ect1]), Some((true, vec![101])));
    assert_eq!(told(&[Mark::Ect1, Mark::Ce]), Some((true, vec![101, 100])));
    assert_eq!(
        told(&[Mark::Ect0, Mark::Ect1]),
        Some((false, vec![101, 0, 101]))
    );
}

// 3.2.3.3: once for each change; whole or not at all; on the client's first acknowledgment and its first data.
#[test]
fn option_is_due_after_a_change_and_left_out_where_it_does_not_fit() {
    let mut end = established();
    let _now = end.on_packet(Mark::Ect0, 1, 100, false);
    let _now = end.on_packet(Mark::Ce, 1, 100, false);
    assert_eq!(end.option(4, false), None);
    assert!(end.option(8, false).is_some());
    end.on_sent(true, false);
    assert_eq!(end.option(40, true), None);
    let mut end = client(Mark::NotEct);
    assert_eq!(
        end.option(40, false).map(|o| o.as_slice().to_vec()),
        Some(vec![1, 0, 1])
    );
    assert_eq!(end.option(8, false).map(|o| o.as_slice().len()), Some(2));
    assert_eq!(end.option(4, false).map(|o| o.as_slice().len()), Some(0));
    end.on_sent(true, false);
    assert_eq!(end.option(40, false), None);
    assert!(end.option(40, true).is_some(), "the first data");
    end.on_sent(true, true);
    assert_eq!(end.option(40, true), None);
}
