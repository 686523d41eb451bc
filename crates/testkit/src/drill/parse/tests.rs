//! The language, one construct a test.

use super::super::ast::{Body, Flags, Packet, Tcp, TcpOption};
use super::*;

fn only(text: &str) -> Event {
    let script = parse(text).unwrap();
    assert_eq!(script.events.len(), 1, "{script:?}");
    script.events[0].clone()
}

fn tcp(text: &str) -> Tcp {
    match only(text).action {
        Action::Inject(Packet {
            body: Body::Tcp(tcp),
            ..
        })
        | Action::Expect(Packet {
            body: Body::Tcp(tcp),
            ..
        }) => tcp,
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_and_comments_come_first() {
    let script =
        parse("// a title\n--tolerance_usecs=100\n--mss=1460 /* two\nlines */\n# dialect\n")
            .unwrap();
    assert_eq!(
        script.options,
        [
            ("tolerance_usecs".into(), "100".into()),
            ("mss".into(), "1460".into())
        ]
    );
}

#[test]
fn every_form_of_time_is_told_apart() {
    let ms = Duration::from_millis;
    let when = |text: &str| only(&format!("{text} > . 1:1(0) ack 1")).when;
    assert_eq!(when("0.100"), When::At(Time::Absolute(ms(100))));
    assert_eq!(when("+.04"), When::At(Time::Relative(ms(40))));
    assert_eq!(
        when("+0.2~+0.3"),
        When::Between(Time::Relative(ms(200)), Time::Relative(ms(300)))
    );
    assert_eq!(when("*"), When::Any);
    let call = only("+0...0.200 accept(3, ..., ...) = 4");
    assert_eq!(
        call.when,
        When::Blocking(Time::Relative(ms(0)), Time::Absolute(ms(200)))
    );
    assert_eq!(
        only("1...+2 close(4) = 0").when,
        When::Blocking(Time::Absolute(ms(1000)), Time::Relative(ms(2000)))
    );
}

#[test]
fn a_syn_with_options() {
    let syn = tcp("0 < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>");
    assert!(syn.flags.syn && !syn.flags.ack);
    assert_eq!(syn.win, Some(32792));
    assert_eq!(
        syn.options.unwrap(),
        [
            TcpOption::Mss(1000),
            TcpOption::SackPermitted,
            TcpOption::Nop,
            TcpOption::Nop,
            TcpOption::Nop,
            TcpOption::WindowScale(7)
        ]
    );
}

#[test]
fn flags_stop_at_the_space_before_the_sequence_number() {
    let fin = tcp("0 > FP. 1:11(10) ack 1");
    assert!(fin.flags.fin && fin.flags.psh && fin.flags.ack);
    assert_eq!((fin.seq, fin.end, fin.len, fin.ack), (1, 11, 10, Some(1)));
    assert_eq!(tcp("0 < - 1:11(10)").flags, Flags::default());
    assert!(tcp("0 < SEW 0:0(0) win 1").flags.ece);
}

#[test]
fn options_unwritten_are_none_and_dots_are_any() {
    assert_eq!(tcp("0 > . 1:1(0) ack 1").options, Some(vec![]));
    assert_eq!(tcp("0 > . 1:1(0) ack 1 <...>").options, None);
    let sack = tcp("0 > . 1:1(0) ack 1 <nop,nop,sack 2001:3001 5:6,TS val 1 ecr 2>");
    assert_eq!(
        sack.options.unwrap()[2..],
        [
            TcpOption::Sack(vec![(2001, 3001), (5, 6)]),
            TcpOption::Timestamps { val: 1, ecr: 2 }
        ]
    );
}

#[test]
fn the_next_event_is_not_taken_for_options() {
    let script = parse("0 > . 1:1(0) ack 1\n+0 < . 1:1(0) ack 1 win 5\n").unwrap();
    assert_eq!(script.events.len(), 2);
    assert_eq!(script.events[1].line, 2);
}

#[test]
fn an_ip_prefix_constrains_the_header() {
    let Action::Expect(packet) = only("0 > [ect0, ttl 30] . 1:1(0) ack 1").action else {
        panic!("a packet");
    };
    assert_eq!((packet.ip.ecn, packet.ip.ttl), (Some(2), Some(30)));
}

#[test]
fn an_icmp_error_quotes_a_segment() {
    let Action::Inject(Packet {
        body: Body::Icmp(icmp),
        ..
    }) = only("+.1 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").action
    else {
        panic!("icmp");
    };
    assert_eq!(icmp.kind, "unreachable");
    assert_eq!(icmp.code, "frag_needed");
    assert_eq!((icmp.mtu, icmp.quoted), (Some(1200), Some((1, 1461))));
}

#[test]
fn calls_have_arguments_of_every_shape() {
    let Action::Call(call) =
        only("0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = -1 EINVAL (Invalid argument)").action
    else {
        panic!("call");
    };
    assert_eq!(call.name, "setsockopt");
    assert_eq!(
        call.args[3],
        Value::Struct(vec![
            ("onoff".into(), Value::Number(1)),
            ("linger".into(), Value::Number(0))
        ])
    );
    assert_eq!(call.result, Value::Number(-1));
    assert_eq!(call.errno.as_deref(), Some("EINVAL"));
    assert_eq!(call.note.as_deref(), Some("Invalid argument"));

    let Action::Call(call) = only("0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0").action else {
        panic!("call");
    };
    assert_eq!(call.args[2], Value::Symbol("O_RDWR|O_NONBLOCK".into()));

    let text = "0 connect(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"10.0.0.1\")}, ...) = 0";
    let Action::Call(call) = only(text).action else {
        panic!("call");
    };
    assert_eq!(call.args[2], Value::Any);
    let Value::Struct(members) = &call.args[1] else {
        panic!("struct");
    };
    assert_eq!(
        members[1].1,
        Value::Call("htons".into(), vec![Value::Number(80)])
    );
}

#[test]
fn code_and_shell_are_kept_whole() {
    let script =
        parse("`../common/defaults.sh`\n0 %{ assert tcpi_snd_cwnd == 10 }%\n+1 `sysctl -q x=1`\n")
            .unwrap();
    assert_eq!(
        script.events[0].action,
        Action::Shell("../common/defaults.sh".into())
    );
    assert_eq!(
        script.events[1].action,
        Action::Code(" assert tcpi_snd_cwnd == 10 ".into())
    );
    assert_eq!(script.events[2].line, 3);
}

#[test]
fn message_parts_may_say_their_length() {
    let text = "0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 50}], msg_flags=0}, 0) = 50 (it's 100%)";
    let Action::Call(call) = only(text).action else {
        panic!("call");
    };
    let Value::Struct(members) = &call.args[1] else {
        panic!("struct");
    };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["msg_name", "msg_iov", "msg_flags"]);
}

#[test]
fn what_is_not_the_language_is_an_error_with_its_line() {
    for (text, line, part) in [
        ("0 > X 1:1(0)", 1, "flags"),
        ("\n0 > S 1:1", 2, "'('"),
        ("0 < S 0:0(0) win 70000", 1, "70000 does not fit"),
        ("0 < . 1:1(0) ack 1 <fancy>", 1, "fancy"),
        ("0 `unclosed", 1, "closes"),
        ("0 socket(1, 2", 1, "','"),
        ("0 ^", 1, "'^'"),
        ("0", 1, "a packet"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.what.contains(part), "{text}: {error}");
    }
}

proptest::proptest! {
    /// Whatever the text, reading it ends in a script or an error.
    #[test]
    fn no_text_makes_it_panic(text in "[-<>SF.:()0-9a-z+~*`%{}\\[\\]=,\" \n]{0,80}") {
        let _ = parse(&text);
    }
}
