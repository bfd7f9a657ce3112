//! Measures, where the truth is known, what comparisons and gates promise: the coverage of intervals, verdicts about
//! differences that do not exist, false discoveries among slices, and gates that are evaluated every night. Naive methods
//! see the same draws.
//!
//!     cargo run --release --example gate_truth -- --repetitions 2000 --seed 1
//!
//! `--only NAME` runs one of the sections `intervals`, `compare`, `slices`, `nights` and `requests`. The exit code is 1 if
//! a promise was not kept.

mod against_baseline;
mod comparisons;
mod detection;
mod gates;
mod intervals;
mod naive;
mod nights;
mod requests;
mod runs;
mod section;
mod slices;

use std::process::ExitCode;

use section::{Plan, Section};

type Measure = fn(&Plan) -> Section;

/// The sections with their names.
const SECTIONS: [(&str, Measure); 5] = [
    ("intervals", intervals::section),
    ("compare", comparisons::section),
    ("slices", slices::section),
    ("nights", nights::section),
    ("requests", requests::section),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = option(&arguments, "--only", String::new());
    let known = |only: &String| only.is_empty() || SECTIONS.iter().any(|(name, _)| name == only);
    let (Some(repetitions), Some(seed), Some(only)) =
        (option(&arguments, "--repetitions", 2000), option(&arguments, "--seed", 1), only.filter(known))
    else {
        eprintln!("usage: gate_truth [--repetitions N] [--seed S] [--only intervals|compare|slices|nights|requests]");
        return ExitCode::from(2);
    };
    println!("{repetitions} repetitions, seed {seed}. All shares in percent.");
    let mut holds = true;
    for (number, (name, measure)) in SECTIONS.iter().enumerate() {
        if only.is_empty() || only == *name {
            let section = measure(&Plan { repetitions, seed, section: number as u64 });
            println!("\n## {name}\n\n{}", section.text());
            holds &= section.holds();
        }
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The value after `name`, or `usual` without it; `None` if it cannot be read.
fn option<T: std::str::FromStr>(arguments: &[String], name: &str, usual: T) -> Option<T> {
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => arguments.get(at + 1)?.parse().ok(),
        None => Some(usual),
    }
}
