//! Measures the error rates and the number of pairs of canaries where the truth is known, beside what a test with a
//! fixed number of pairs needs and what naive methods do on the same draws when somebody looks after every pair.
//!
//!     cargo run --release --example canary_truth -- --repetitions 4000 --seed 1

mod naive;
mod table;
mod trial;
mod world;

use std::process::ExitCode;

use rayon::prelude::*;

use trial::{Cell, Summary, Trial};
use world::World;

/// True mean differences, in margins.
const TRUTHS: [f64; 4] = [-2.0, -1.0, 0.0, 1.0];
const MARGINS: [f64; 3] = [0.03, 0.05, 0.1];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(repetitions), Some(seed)) = (option(&arguments, "--repetitions", 2000), option(&arguments, "--seed", 1))
    else {
        eprintln!("usage: canary_truth [--repetitions N] [--seed S]");
        return ExitCode::from(2);
    };
    let cells = cells();
    let summaries: Vec<Summary> =
        cells.iter().enumerate().map(|(index, cell)| measure(cell, index as u64, repetitions, seed)).collect();
    let report = table::report(&cells, &summaries, repetitions);
    println!("{}", report.text);
    if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The number after `name`, or `usual` without it; `None` if it is not a number.
fn option(arguments: &[String], name: &str, usual: u64) -> Option<u64> {
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => arguments.get(at + 1)?.parse().ok(),
        None => Some(usual),
    }
}

/// Every repetition has its own stream, so the results do not depend on the number of threads.
fn measure(cell: &Cell, index: u64, repetitions: u64, seed: u64) -> Summary {
    let trials: Vec<Trial> = (0..repetitions)
        .into_par_iter()
        .map(|repetition| cell.run(&mut karat::stats::rng(seed, (index << 32) | repetition)))
        .collect();
    Summary::of(&trials)
}

/// All cells that can exist: a share of differing pairs bounds the mean difference.
fn cells() -> Vec<Cell> {
    let mut worlds: Vec<(f64, f64, World)> = Vec::new();
    for margin in MARGINS {
        for discordance in [0.1, 0.2, 0.4] {
            worlds.extend(TRUTHS.map(|truth| (margin, truth, World::binary(discordance, truth * margin))));
        }
    }
    for margin in MARGINS {
        for variance in [0.02, 0.05, 0.1, 0.2] {
            worlds.extend(TRUTHS.map(|truth| (margin, truth, World::graded(variance, truth * margin))));
        }
    }
    for margin in MARGINS {
        for repeats in [1, 3] {
            worlds.extend(TRUTHS.map(|truth| (margin, truth, World::flaky(repeats, truth * margin))));
        }
    }
    worlds
        .into_iter()
        .filter(|(_, _, world)| world.exists())
        .map(|(margin, truth, world)| Cell::new(world, margin, truth))
        .collect()
}
