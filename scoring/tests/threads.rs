//! Equal bits for any number of threads, each in a process of its own: polars takes its number only once.

#![expect(clippy::disallowed_types, reason = "the test runs itself in child processes")]
#![expect(clippy::print_stdout, reason = "a child process prints what it finds")]

use std::process::Command;

use chrono::Days;
use scoring::{Model, name};

use crate::pins::hash;
use crate::plain::{ASSURANCES, CONTROLS, Plain, Supply, found, sole, total};
use crate::support::{as_of, score_table};

/// Set in a child process, which then prints what it finds.
const IS_CHILD: &str = "SCORING_IS_CHILD";
const MARK: &str = "bits: ";
/// More than two blocks of nodes.
const SUPPLIERS: usize = 9000;
/// The members of the clique, spread over all blocks.
const MEMBERS: usize = 60;

#[test]
fn threads_change_no_bit_of_assessments_and_of_chains_that_plain_steps_do_not_settle() {
    if std::env::var_os(IS_CHILD).is_some() {
        println!("{MARK}{}", bits());
        return;
    }

    let [one, two, eight] = [1, 2, 8].map(bits_of_child);

    assert_eq!(one, two);
    assert_eq!(one, eight);
}

/// Returns the hash of the results, computed by a child process with this number of threads.
fn bits_of_child(threads: usize) -> String {
    let name = "threads::threads_change_no_bit_of_assessments_and_of_chains_that_plain_steps_do_not_settle";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(IS_CHILD, "1");
    child.env("POLARS_MAX_THREADS", threads.to_string()).env("RAYON_NUM_THREADS", threads.to_string());
    let ran = child.output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    let bits = text.lines().find_map(|line| line.split_once(MARK)).map(|(_, bits)| bits.to_owned());
    bits.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&ran.stderr)))
}

fn bits() -> String {
    let table = score_table(portfolio().tables(), &Model::default());
    // Most of what one member causes reaches the buyer through the others.
    let caused = table.column(name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY).unwrap().f64().unwrap().get(0).unwrap();
    let direct = table.column(name::LOSS_PER_DISRUPTION_JPY).unwrap().f64().unwrap().get(0).unwrap();
    assert!(caused > 20.0 * direct, "{caused}, {direct}");
    hash(&table)
}

/// A clique of sole suppliers, a chain through all others, and four assessments of each supplier.
fn portfolio() -> Plain {
    let mut plain = Plain::of_firms(SUPPLIERS);
    let code = |place: usize| format!("S{place:04}");
    let member = |place: usize| code(place * (SUPPLIERS / MEMBERS));
    for from in 0..MEMBERS {
        let others = (0..MEMBERS).filter(|to| *to != from);
        plain.supplies.extend(others.map(|to| sole(&member(from), Some(&member(to)))));
        plain.supplies.push(sole(&member(from), None));
    }
    for place in 1..SUPPLIERS {
        let criticality = if place % 3 == 0 { "degrades" } else { "routine" };
        let row = sole(&code(place), Some(&code(place / 3 * 2)));
        plain.supplies.push(Supply { criticality, stock: Some((place % 40) as f64), ..row });
    }
    for place in 0..SUPPLIERS {
        for row in 0..4 {
            let draw = place * 31 + row * 17;
            let (assurance, on) = (ASSURANCES[draw / 7 % 3], as_of() - Days::new(draw as u64 % 900));
            plain.assessments.push(match CONTROLS[draw % 7] {
                "self_assessment" => total(&code(place), draw as i64 % 126 - 25, assurance, on),
                control => found(&code(place), control, draw % 5 < 2, assurance, on),
            });
        }
    }
    plain
}
