//! The rules, on runs made up for them.

use super::judge::{Verdict, verdict};
use super::*;
use crate::engine::Engine;
use crate::figures::Sample;
use crate::load::Report;
use crate::statistics::Spread;

#[test]
fn a_verdict_is_the_rules() {
    let ceiling = |share| Some((share, 100.0));
    assert_eq!(verdict(1.6, 1.5, false, ceiling(0.9)), Verdict::Met);
    // Equal counts where as much was asked, not where one and a half times as much was.
    assert_eq!(verdict(0.95, 1.0, true, ceiling(0.9)), Verdict::Equal);
    assert_eq!(verdict(1.4, 1.5, true, ceiling(0.9)), Verdict::Missed);
    // Who has reached the ceiling can do no better; who is asked for more than it is not asked for what is to be had.
    for (ratio, ours, asked) in [(1.4, 0.98, 1.05), (0.6, 0.8, 2.0)] {
        let Verdict::Bounded {
            ceiling: rate,
            asked: of_it,
            ours: reached,
        } = verdict(ratio, 1.5, false, ceiling(ours))
        else {
            panic!("{ratio}");
        };
        assert!((of_it - asked).abs() < 1e-9, "{of_it}");
        assert!((reached - ours).abs() < 1e-9 && (rate - 100.0).abs() < 1e-9);
    }
    assert_eq!(verdict(1.4, 1.5, false, None), Verdict::Missed);
}

/// A ceiling that counts.
const COUNTS: [(&str, &str, &[f64]); 6] = [
    ("bulk in", "ceiling", &[45_000.0, 46_000.0, 47_000.0]),
    ("bulk in", "kernel", &[30_000.0]),
    ("bulk out", "ceiling", &[45_000.0]),
    ("bulk out", "kernel", &[45_000.0]),
    ("small, 16", "ceiling", &[170.0]),
    ("small, 16", "nginx", &[100.0]),
];

fn run(rates: &[(&str, &str, &[f64])]) -> Table {
    let json = r#"{"at":0,"load":[0.0,0.0],"processors":2,"kernel":"","rounds":1,"seconds":1,"absent":[],"rows":[],"held":[]}"#;
    let mut table: Table = serde_json::from_str(json).unwrap();
    let work = Work::Push { streams: 1 };
    for (scenario, who, rates) in rates {
        for rate in *rates {
            let report = Report {
                rate: *rate,
                p50_us: 12.5,
                disordered: 1.0,
                ..Report::default()
            };
            let cpu = if who.starts_with(OURS) { 0.5 } else { 0.25 };
            table.add(scenario, who, work, Sample::new(work, &report, cpu));
        }
    }
    table
}

fn said(table: &Table, begins: &str) -> Vec<String> {
    let all = judge(table).into_iter().map(|judged| judged.to_string());
    all.filter(|row| row.starts_with(begins)).collect()
}

#[test]
fn a_run_is_judged_by_the_bars_it_has_figures_for() {
    let mut rates = COUNTS.to_vec();
    rates.push(("bulk in", "outcrop", &[36_000.0, 36_000.0, 40_000.0]));
    rates.push(("bulk in", "smoltcp", &[39_000.0, 41_000.0]));
    rates.push((ALONE, SPINNING, &[80.0]));
    let table = run(&rates);
    // 36 of 46 where 0.9 was asked; 36 of 30; 36 of 40 with 39 to 40 in common; and a latency. Twice the processor.
    let [ceiling, kernel, smoltcp] = said(&table, "| bulk in ").try_into().unwrap();
    let ours = "36.0G (36.0G-40.0G)";
    assert_eq!(
        ceiling,
        format!(
            "| bulk in | 0.9 x ceiling | {ours} | 46.0G (45.0G-47.0G) | 0.78 | 2.00 | **missed**: {BULK}"
        )
    );
    assert_eq!(
        kernel,
        format!("| bulk in | 1 x kernel | {ours} | 30.0G (30.0G-30.0G) | 1.20 | 2.00 | met")
    );
    assert_eq!(
        smoltcp,
        format!(
            "| bulk in | 1 x smoltcp | {ours} | 40.0G (39.0G-41.0G) | 0.90 | 2.00 | equal: extremes overlap"
        )
    );
    assert_eq!(
        said(&table, "| small, 1,"),
        [format!(
            "| {ALONE}, spinning | p50 at most 10 us | 12.5 us (12.5-12.5) |  |  |  | **missed**: {SPIN}"
        )]
    );
}

#[test]
fn a_ceiling_counts_beside_the_kernel_and_nginx() {
    let reached = Ceiling::of(&run(&COUNTS)).unwrap();
    assert!(reached.counts());
    assert_eq!(reached.reached, [46.0 / 30.0, 1.0, 1.7]);
    let mut slow = COUNTS.to_vec();
    slow[4].2 = &[169.0];
    assert!(!Ceiling::of(&run(&slow)).unwrap().counts());
    assert_eq!(Ceiling::of(&run(&[])), None);
}

#[test]
fn at_a_ceiling_that_counts_both_figures_are_said_and_at_another_nothing_is_judged_by_it() {
    let ours: (&str, &str, &[f64]) = ("small, 16", "outcrop", &[148.0]);
    let rows = |ceiling: &'static [f64]| {
        let mut rates = COUNTS.to_vec();
        rates[4].2 = ceiling;
        rates.push(ours);
        said(&run(&rates), "| small, 16 ")
    };
    let [nginx, ceiling] = rows(&[170.0]).try_into().unwrap();
    assert!(nginx.ends_with("| 1.48 | 2.00 | **missed**: our own instructions beside the two calls into the kernel, which the ceiling makes too"));
    assert!(ceiling.ends_with("| 0.87 | 2.00 | met"));
    let [_, ceiling] = rows(&[149.0]).try_into().unwrap();
    assert!(ceiling.ends_with("not judged: the ceiling does not count in this run"));
    let mut rates = COUNTS.to_vec();
    rates.push(("small, 256", "outcrop", &[148_000.0]));
    rates.push(("small, 256", "nginx", &[100_000.0]));
    rates.push(("small, 256", "ceiling", &[150_000.0]));
    let [nginx, _] = said(&run(&rates), "| small, 256 ").try_into().unwrap();
    // In megabits, since the table was made up of bulk.
    assert!(
        nginx.ends_with("bounded by the ceiling, 150G: the bar is 1.00 of it, ours 0.99"),
        "{nginx}"
    );
}

#[test]
fn three_times_is_asked_where_a_peer_is_under_a_third_of_the_ceiling() {
    let mut rates = COUNTS.to_vec();
    rates.push(("small, 16", "outcrop", &[140.0]));
    rates.push(("small, 16", "lwIP", &[57.0]));
    rates.push(("small, 16", "gVisor", &[54.0]));
    rates.push(("small, 10,000/s", "gVisor", &[1.0]));
    rates.push(("small, 10,000/s", "outcrop", &[1.0]));
    let table = run(&rates);
    let [lwip, gvisor] = [
        said(&table, "| small, 16 | 1 x lwIP"),
        said(&table, "| small, 16 | 3 x gVisor"),
    ];
    assert!(lwip[0].ends_with("| met") && gvisor[0].contains("| 2.59 | 2.00 | **missed**"));
    // Who asks so often a second is answered so often a second.
    assert!(said(&table, "| small, 10,000/s").is_empty());
}

#[test]
fn a_segment_out_of_order_misses_the_bar() {
    let mut table = run(&[("two clients, small", TWO, &[1.0, 1.0])]);
    let row = said(&table, "| two clients, small");
    assert!(row[0].contains("| 2 out of order, 0 repeated |") && row[0].contains("**missed**"));
    for sample in &mut table.rows[0].samples {
        sample.disordered = 0.0;
    }
    let row = said(&table, "| two clients, small");
    assert!(row[0].contains("| 0 out of order, 0 repeated |") && row[0].ends_with("| met"));
}

#[test]
fn memory_and_flatness_are_of_the_last_world_beside_the_first() {
    let world = |connections, bytes, busy| Engine {
        connections,
        bytes,
        resident: bytes,
        busy: Spread::of([busy]).unwrap(),
        any: Spread::of([busy]).unwrap(),
    };
    let mut table = run(&[]);
    table.engine = vec![world(1, 3_560.0, 100.0), world(1_000_000, 1_025.0, 130.0)];
    let memory = said(&table, "| idle, engine");
    assert!(memory[0].contains("| 1025 bytes, of 1000000 |") && memory[0].contains("**missed**"));
    let busy = said(&table, "| 16 busy, engine");
    assert!(
        busy[0].contains("| 1.30 times |") && busy[0].ends_with("| met"),
        "{busy:?}"
    );
    assert!(missed(&table).is_empty(), "there is no server to look into");
}

#[test]
fn what_was_missed_is_named_once() {
    let table = run(&[
        ("small, 16", "outcrop", &[1.0]),
        ("small, 16", "nginx", &[1.0]),
        ("small, 16", "smoltcp", &[2.0]),
    ]);
    assert_eq!(missed(&table), [("small, 16".to_owned(), OURS.to_owned())]);
}
