//! `karat embedder show|migrate|retire`

use clap::Subcommand;
use serde::Serialize;

use super::arguments::{Format, time};
use super::listen::listener;
use super::{Context, Exit};
use crate::core::domain::{EmbeddingSpace, Failure};
use crate::core::privacy::sanitize::for_terminal;
use crate::core::report::{plain_table, to_json};
use crate::core::view::{AgreementView, CoverageView, MigrationView};
use crate::flow::migrate::{MigrateOptions, Spaces, migrate, retire, spaces};

/// The space texts are compared in.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the space that serves, what it is made of, and every space that something is kept in
    Show {
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Embed everything with another embedder, compare the two, and move over only if asked to
    #[command(
        after_help = "Every text of datasets and traffic is embedded beside what is there; the space that serves goes on\nserving, also when this is interrupted, and what was embedded is found again.\n\nExamples:\n  karat embedder migrate minilm              embed and compare\n  karat embedder migrate minilm --cut-over   and pin it in karat.lock\n  karat embedder migrate builtin --cut-over  go back"
    )]
    Migrate {
        /// The embedder to move to: builtin, hashed-ngrams, or a name under "embedders" in karat.yaml.
        to: String,
        /// Compare only this dataset (repeatable). Default: all.
        #[arg(long = "dataset", value_name = "NAME")]
        datasets: Vec<String>,
        /// Let the new space serve from now on, by pinning it in karat.lock.
        #[arg(long)]
        cut_over: bool,
        /// Seed of everything random.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Judge dates as of this time instead of now.
        #[arg(long, value_name = "TIME")]
        now: Option<String>,
        /// How to print the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Remove the vectors of a space that no longer serves; its results stay
    #[command(after_help = "Example:\n  karat embedder retire hashed-ngrams")]
    Retire {
        /// The space, by its fingerprint or the name of its embedder.
        space: String,
    },
}

pub(super) fn run(context: &mut Context, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Show { format } => show(context, format)?,
        Command::Migrate { to, datasets, cut_over, seed, now, format } => {
            let now = match now {
                None => jiff::Timestamp::now(),
                Some(text) => time(&text).map_err(|message| Failure::usage(format!("--now: {message}")))?,
            };
            let events = listener(&context.output);
            let options = MigrateOptions { to, datasets, cut_over, seed };
            let view = migrate(&context.root()?, &options, now, &events)?;
            let text = match format {
                Format::Json => to_json(&view)?,
                Format::Table => migration_text(&view, context.output.width()),
            };
            context.output.data(&text)?;
        }
        Command::Retire { space } => {
            let events = listener(&context.output);
            let (space, vectors) = retire(&context.workspace()?, &space, &events)?;
            context.output.data(&format!("retired {space}: {vectors} vectors removed\n"))?;
        }
    }
    Ok(Exit::Success)
}

#[derive(Serialize)]
struct SpacesView<'a> {
    schema: &'static str,
    embedder: &'a str,
    space: &'a EmbeddingSpace,
    pinned: bool,
    stored: Vec<StoredSpaceView<'a>>,
}

#[derive(Serialize)]
struct StoredSpaceView<'a> {
    embedder: &'a str,
    space: &'a EmbeddingSpace,
    serving: bool,
    first_used: &'a str,
    vectors: usize,
    measurements: usize,
    last_measurement: Option<&'a str>,
}

fn show(context: &Context, format: Format) -> Result<(), Failure> {
    let workspace = context.workspace()?;
    let found = spaces(&workspace)?;
    let view = SpacesView {
        schema: "karat.embedder/1",
        embedder: &found.name,
        space: &found.serving,
        pinned: found.pinned,
        stored: found
            .stored
            .iter()
            .map(|row| StoredSpaceView {
                embedder: &row.name,
                space: &row.space,
                serving: row.space.id == found.serving.id,
                first_used: &row.first_used,
                vectors: row.vectors,
                measurements: row.measurements,
                last_measurement: row.last_measurement.as_deref(),
            })
            .collect(),
    };
    let text = match format {
        Format::Json => to_json(&view)?,
        Format::Table => spaces_text(&found, &view, context.output.width()),
    };
    context.output.data(&text)
}

fn spaces_text(found: &Spaces, view: &SpacesView<'_>, width: usize) -> String {
    let pinned = if found.pinned { "pinned in karat.lock" } else { "not pinned; `karat dataset lock` pins it" };
    let mut text = format!("embedder   {}\nspace      {} ({pinned})\n", for_terminal(&found.name), found.serving.id);
    for (part, value) in &found.serving.parts {
        text.push_str(&format!("           {}: {}\n", for_terminal(part), for_terminal(value)));
    }
    if view.stored.is_empty() {
        text.push_str("kept       nothing yet\n");
        return text;
    }
    let day = |time: &str| time.get(..10).unwrap_or(time).to_owned();
    let rows = view.stored.iter().map(|row| {
        vec![
            if row.serving { format!("{} (serves)", row.space.id) } else { row.space.id.clone() },
            row.embedder.to_owned(),
            row.vectors.to_string(),
            row.measurements.to_string(),
            row.last_measurement.map(day).unwrap_or_default(),
        ]
    });
    text.push('\n');
    text.push_str(&plain_table(&["space", "embedder", "vectors", "assays", "last"], rows.collect(), width));
    text
}

fn migration_text(view: &MigrationView, width: usize) -> String {
    let mut text = format!(
        "from       {} ({})\nto         {} ({})\ntexts      {}, {} of them embedded now\n",
        for_terminal(&view.from.embedder),
        view.from.space,
        for_terminal(&view.to.embedder),
        view.to.space,
        view.texts,
        view.embedded
    );
    for dataset in &view.datasets {
        text.push_str(&format!("\n{}\n", for_terminal(&dataset.dataset)));
        text.push_str(&plain_table(&["measure", "before", "after", "agreement"], agreement_rows(dataset), width));
    }
    for note in &view.notes {
        text.push_str(&format!("\nnote: {}\n", for_terminal(note)));
    }
    let serves = if view.cut_over { &view.to } else { &view.from };
    text.push_str(&format!("\n{} serves ({})\n", for_terminal(&serves.embedder), serves.space));
    if !view.cut_over && view.from.space != view.to.space {
        text.push_str(&format!(
            "move over with `karat embedder migrate {} --cut-over`\n",
            for_terminal(&view.to.embedder)
        ));
    }
    text
}

fn agreement_rows(view: &AgreementView) -> Vec<Vec<String>> {
    let number = |value: Option<f64>| value.map_or("not measured".to_owned(), |value| format!("{value:.2}"));
    let coverage = |coverage: &Option<CoverageView>| {
        coverage.as_ref().map_or("not measured".to_owned(), |c| {
            format!("{:.0} % ({:.0}–{:.0})", 100.0 * c.value, 100.0 * c.lo, 100.0 * c.hi)
        })
    };
    let between = match (&view.coverage.0, &view.coverage.1) {
        (Some(before), Some(after)) => format!("{:+.0} points", 100.0 * (after.value - before.value)),
        _ => String::new(),
    };
    let flags = &view.flags;
    vec![
        vec!["coverage".into(), coverage(&view.coverage.0), coverage(&view.coverage.1), between],
        vec![
            "flags".into(),
            (flags.before_only + flags.shared).to_string(),
            (flags.after_only + flags.shared).to_string(),
            format!("{} the same", flags.shared),
        ],
        vec![
            "clusters".into(),
            view.clusters.0.to_string(),
            view.clusters.1.to_string(),
            format!("{} (adjusted Rand)", number(view.cluster_agreement)),
        ],
        vec![
            "neighbours".into(),
            String::new(),
            String::new(),
            format!("{} of the 10 nearest shared", number(view.neighbour_overlap)),
        ],
    ]
}
