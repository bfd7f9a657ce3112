//! `karat judge validate`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::arguments::{Format, Now, amount};
use super::context::Context;
use super::exit::Exit;
use super::interrupt;
use super::listen::listener;
use crate::core::domain::Failure;
use crate::core::report::judge_validation_text;
use crate::core::view::LabelSample;
use crate::flow::validate::{ValidateOptions, validate_judge};

/// Hold judges, the models that grade answers, against people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how far a judge agrees with people, and correct scores for its errors
    ///
    /// Rows with an id and a label are about the answers of a stored run, which the judge scored before: nothing is called.
    /// Rows that also have an output are a calibration set: the judge is asked about each output now, and a later
    /// validation with the same file shows whether the judge has changed since the first one.
    #[command(after_help = EXAMPLES)]
    Validate(ValidateArgs),
}

const EXAMPLES: &str = "\
Rows of FILE (.jsonl or .csv): id, label (or person, score, pass, verdict: true/false, pass/fail,
yes/no, right/wrong, or a number from 0 to 1); optional: trial, run, annotator, model, output,
input, expected, context, metadata. Several people may label the same answer: the majority counts.

Exit codes: 0 validated · 3 bad data · 4 stopped, or the judge failed more often than the suite
tolerates; the same command continues, and asks only about what is missing

Examples:
  karat judge validate support --labels labels.csv          answers of the latest run
  karat judge validate support --labels labels.csv -e my-model --scorer tone
  karat judge validate support --labels labels.csv --run 0199a2f4 --sample by-verdict
  karat judge validate support --labels calibration.jsonl   asks the judge; later: has it changed?
  karat judge validate support --labels calibration.jsonl -j 4 --max-cost 2
  karat judge validate support --labels labels.csv --format json | jq .agreement.kappa";

#[derive(Debug, clap::Args)]
struct ValidateArgs {
    /// The suite, by name (suites/NAME.yaml) or path.
    #[arg(value_name = "SUITE")]
    suite: String,

    /// File with what people say about answers (.jsonl or .csv).
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,

    /// The scorer to validate. Default: the suite's only judge.
    #[arg(long, value_name = "NAME")]
    scorer: Option<String>,

    /// The run whose answers are labelled: an id, a tag, or `last`. Default: the one named in the file, or the latest.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Only runs on this endpoint.
    #[arg(short, long, value_name = "NAME")]
    endpoint: Option<String>,

    /// How the labelled answers were chosen; the correction of the score follows from it. Default: random for the answers
    /// of a run, elsewhere for a calibration set.
    #[arg(long, value_name = "HOW", value_enum)]
    sample: Option<Sample>,

    /// Maximum concurrent requests per host, up to 512; lowered when a server reports overload.
    #[arg(short = 'j', long = "jobs", value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: u16,

    /// Stop before the total cost exceeds this, in the currency of the endpoints' prices. The same command continues.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    max_cost: Option<f64>,

    #[command(flatten)]
    now: Now,

    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How labelled answers were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sample {
    /// At random from the answers of the run.
    Random,
    /// At random from those that the judge passed and, in another proportion, from those that it failed.
    ByVerdict,
    /// In any other way, or elsewhere.
    Elsewhere,
}

impl From<Sample> for LabelSample {
    fn from(sample: Sample) -> Self {
        match sample {
            Sample::Random => Self::Random,
            Sample::ByVerdict => Self::ByVerdict,
            Sample::Elsewhere => Self::Elsewhere,
        }
    }
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Validate(args) => validate(context, args),
    }
}

fn validate(context: &Context, args: ValidateArgs) -> Result<Exit, Failure> {
    let workspace = context.workspace()?;
    let suite = workspace.suite(&args.suite)?;
    let options = ValidateOptions {
        labels: args.labels,
        scorer: args.scorer,
        run: args.run,
        endpoint: args.endpoint,
        sample: args.sample.map(Into::into),
        concurrency: usize::from(args.jobs),
        max_cost: args.max_cost,
    };
    let events = listener(&context.output);
    let now = args.now.get();
    let done = interrupt::run_until_interrupted(context.output, async |stop| {
        validate_judge(&workspace, &suite, &options, now, stop, &events).await
    })?;
    context.output.show(args.format, &done.view, judge_validation_text)?;
    let command = format!("karat judge validate {} --labels {}", args.suite, options.labels.display());
    if let Some(stopped) = &done.stopped {
        let why = stopped.sentence();
        context.output.say(&format!("unfinished ({why}): finished scores are stored; continue with `{command}`"));
    } else if done.too_many_failures {
        let failed = done.view.failed();
        let answers = done.view.answers;
        let stored = done.view.run.is_some();
        let fix = if stored { format!("karat run {} --retry-errors", args.suite) } else { command };
        context.output.say(&format!(
            "the judge failed on {failed} of {answers} answers, more than the suite tolerates; `{fix}` asks it again about these"
        ));
    }
    Ok(if done.stopped.is_some() || done.too_many_failures { Exit::Incomplete } else { Exit::Success })
}
