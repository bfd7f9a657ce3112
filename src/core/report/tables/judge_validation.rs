//! Tables of a validation of a judge against people.

use super::Table;
use crate::core::view::{
    BiasView, Cell, ChangeView, CountedShareView, DriftVerdictView, EffectView, FigureView, JudgeDriftView,
    JudgeValidationView, LabelsOf, Phrase, count_of, line, phrase,
};

/// The agreement in one sentence.
pub(in crate::core::report) fn validation_sentence(view: &JudgeValidationView) -> Phrase {
    let judge = line(&view.judge, 60);
    let Some(agreement) = &view.agreement else {
        return phrase![format!(
            "Nothing is known about {judge}: none of {} was scored by both people and the judge.",
            count_of(view.answers, "labelled answer")
        )];
    };
    let accuracy = agreement.accuracy;
    let mut sentence = phrase![
        "The judge agrees with people on ",
        Cell::Share(accuracy.value, 1),
        format!(" of {} (", count_of(view.n, "answer")),
        Cell::ShareInterval(accuracy.lo, accuracy.hi),
        ")"
    ];
    match agreement.kappa {
        Some(kappa) => sentence.push(phrase![", kappa ", Cell::Number(kappa.value, 2)]),
        None => sentence.push(", and all verdicts are the same, so that kappa is undefined"),
    }
    if let Some(spearman) = view.graded.and_then(|graded| graded.spearman) {
        sentence.push(phrase![", rank correlation ", Cell::Number(spearman.value, 2)]);
    }
    sentence.push(".");
    sentence.push(chance(view));
    sentence
}

/// What is to be said if it is not certain that the judge is better than chance.
fn chance(view: &JudgeValidationView) -> &'static str {
    let kappa = view.agreement.and_then(|agreement| agreement.kappa);
    let found = view.graded.and_then(|graded| graded.spearman).or(kappa);
    match (view.better_than_chance, found) {
        (Some(false), _) => {
            " It is no better than chance on these answers, so its scores cannot stand in for what people would say."
        }
        (_, Some(found)) if found.lo <= 0.0 => " These labels do not show that it is better than chance.",
        _ => "",
    }
}

/// The drift in one sentence; `None` without an earlier validation.
pub(in crate::core::report) fn drift_sentence(view: &JudgeValidationView) -> Option<Phrase> {
    let drift = view.drift.as_ref()?;
    let since = drift.since.get(..10).unwrap_or(&drift.since);
    let verdict = match drift.verdict {
        DriftVerdictView::Unchanged => format!("unchanged since {since}: no mean moved by more than 5 points"),
        DriftVerdictView::Changed => format!("changed since {since}"),
        DriftVerdictView::TooLittleData => format!("too little data to tell whether the judge changed since {since}"),
    };
    let judge = match (drift.same_judge, drift.judge == view.judge) {
        (true, _) => String::new(),
        (false, true) => "; its model, prompt or settings are not those of then".to_owned(),
        (false, false) => format!("; then it was {}", line(&drift.judge, 60)),
    };
    let differing = drift.differing.map_or_else(Phrase::default, |differing| {
        phrase![format!(" ({} of {} scored otherwise)", Cell::from(differing.count), count_of(differing.of, "item"))]
    });
    Some(phrase![verdict, differing, judge, "."])
}

/// A figure with its interval.
struct Row {
    what: &'static str,
    value: Cell,
    interval: Cell,
    of: Cell,
    meaning: &'static str,
}

/// Every figure of the agreement.
pub(in crate::core::report) fn validation_agreement(view: &JudgeValidationView) -> Table {
    let share = |what, meaning, share: Option<CountedShareView>| Row {
        what,
        value: share.map(|share| Cell::Share(share.value, 1)).into(),
        interval: Cell::or_blank(share.map(|share| Cell::ShareInterval(share.lo, share.hi))),
        of: Cell::or_blank(
            share.map(|share| format!("{} of {}", Cell::from(share.count), Cell::from(share.of)).into()),
        ),
        meaning,
    };
    let number = |what, meaning, found: Option<FigureView>| Row {
        what,
        value: found.map(|found| Cell::Number(found.value, 2)).into(),
        interval: Cell::or_blank(found.map(|found| Cell::Interval(found.lo, found.hi, 2))),
        of: Cell::Blank,
        meaning,
    };
    let mut rows = Vec::new();
    if let Some(found) = &view.agreement {
        rows.extend([
            share("accuracy", "equal verdicts", Some(found.accuracy)),
            share("sensitivity", "of what people pass, the judge passes", found.sensitivity),
            share("specificity", "of what people fail, the judge fails", found.specificity),
            share("precision", "of what the judge passes, people pass", found.precision),
            share("negative predictive value", "of what the judge fails, people fail", found.negative_predictive_value),
            number("Cohen's kappa", "0: chance, 1: equal verdicts", found.kappa),
            number("Krippendorff's alpha", "0: chance, 1: equal verdicts", found.alpha),
        ]);
    }
    if let Some(found) = &view.graded {
        rows.extend([
            number("mean absolute error", "distance of the two scores", Some(found.mean_absolute_error)),
            number("mean difference", "judge − people", Some(found.mean_difference)),
            number("Spearman's correlation", "of the ranks", found.spearman),
            number("weighted kappa, linear", "scores, not verdicts", found.kappa_linear),
            number("weighted kappa, quadratic", "scores, not verdicts", found.kappa_quadratic),
            number("alpha, interval", "scores, not verdicts", found.alpha),
        ]);
    }
    if let Some(alpha) = view.people.and_then(|people| people.alpha) {
        rows.push(number("alpha among people", "how far people agree with each other", Some(alpha)));
    }
    Table::of("Agreement", rows, usize::MAX)
        .name("Measure", |row| row.what)
        .number("Value", |row| row.value.clone())
        .number("95 % interval", |row| row.interval.clone())
        .number("Answers", |row| row.of.clone())
        .name("Meaning", |row| row.meaning)
        .table()
}

/// How often people and the judge give which verdicts.
pub(in crate::core::report) fn validation_confusion(view: &JudgeValidationView) -> Table {
    let rows = view.agreement.iter().flat_map(|found| {
        let confusion = found.confusion;
        [
            ("people pass", confusion.true_positive, confusion.false_negative),
            ("people fail", confusion.false_positive, confusion.true_negative),
        ]
    });
    Table::of("Confusion matrix", rows, usize::MAX)
        .name("", |(people, ..)| *people)
        .number("judge passes", |(_, passes, _)| *passes)
        .number("judge fails", |(.., fails)| *fails)
        .table()
}

/// Whether the judge favours something.
pub(in crate::core::report) fn validation_biases(view: &JudgeValidationView) -> Table {
    type Row = (&'static str, BiasView, Cell, Cell, Cell, String);
    let effect = |effect: Option<EffectView>| {
        let cells = effect.map(|e| (Cell::Points(e.value), Cell::PointsInterval(e.lo, e.hi), Cell::PValue(e.p_value)));
        cells.unwrap_or((Cell::NotMeasured, Cell::Blank, Cell::Blank))
    };
    let (value, interval, p) = effect(view.length.per_doubling);
    let mut rows: Vec<Row> = Vec::new();
    if view.n > 0 {
        rows.push((
            "long answers",
            view.length.bias,
            value,
            interval,
            p,
            "points per doubling of the length".to_owned(),
        ));
    }
    if let Some(family) = &view.family {
        let (value, interval, p) = effect(family.given_person);
        let what = format!("points for {} of {}", count_of(family.own, "answer"), line(&family.family, 40));
        rows.push(("its own family", family.bias, value, interval, p, what));
    }
    if let Some(position) = &view.position {
        let flips = position.flips.map(|flips| (Cell::Share(flips.value, 1), Cell::ShareInterval(flips.lo, flips.hi)));
        let (value, interval) = flips.unwrap_or((Cell::NotMeasured, Cell::Blank));
        let what = format!(
            "of pairs change with the order, {} to the first and {} to the second",
            Cell::from(position.toward_first),
            Cell::from(position.toward_second)
        );
        rows.push(("the answer shown first", position.bias, value, interval, Cell::PValue(position.p_value), what));
    }
    Table::of("Bias", rows, usize::MAX)
        .name("Towards", |row| row.0)
        .name("Found", |row| row.1.name())
        .number("Effect", |row| row.2.clone())
        .number("95 % interval", |row| row.3.clone())
        .number("p", |row| row.4.clone())
        .name("Meaning", |row| row.5.clone())
        .table()
        .note("Among answers that people score alike.")
}

/// The scores of runs, corrected for the errors of the judge.
pub(in crate::core::report) fn corrected_scores(view: &JudgeValidationView) -> Table {
    Table::of("Scores corrected for the judge's errors", &view.scores, usize::MAX)
        .name("Endpoint", |score| line(&score.endpoint, 60))
        .name("Prompt", |score| Cell::or_blank(score.prompt.as_deref().map(|prompt| Cell::line(prompt, 60))))
        .number("Judged", |score| score.judged.map(|judged| Cell::Number(judged, 3)))
        .number("Corrected", |score| score.corrected.map(|found| Cell::Number(found.value, 3)))
        .number("95 % interval", |score| Cell::or_blank(score.corrected.map(|f| Cell::Interval(f.lo, f.hi, 3))))
        .number("Answers", |score| score.outcomes)
        .name("Method", |score| score.method_name())
        .id("Run", |score| line(&score.run_id, 60))
        .table()
        .without_empty_columns()
}

/// How the judge's scores on the calibration set changed.
pub(in crate::core::report) fn judge_drift(view: &JudgeValidationView) -> Table {
    let rows = view.drift.iter().flat_map(|drift: &JudgeDriftView| {
        let changes = [("score by the judge", drift.score), ("agreement with people", drift.agreement)];
        changes.into_iter().filter_map(|(what, change)| Some((what, change?)))
    });
    let rows: Vec<(&str, ChangeView)> = rows.collect();
    Table::of("Drift", rows, usize::MAX)
        .name("Mean", |(what, _)| *what)
        .number("Then", |(_, change)| Cell::Number(change.before, 3))
        .number("Now", |(_, change)| Cell::Number(change.after, 3))
        .number("Points", |(_, change)| Cell::Points(change.difference))
        .number("95 % interval", |(_, change)| Cell::PointsInterval(change.lo, change.hi))
        .number("p", |(_, change)| Cell::PValue(change.p_value))
        .table()
}

/// Answers on which the judge failed.
pub(in crate::core::report) fn judge_failures(view: &JudgeValidationView, limit: usize) -> Table {
    let table = Table::of("Not scored, because the judge failed", &view.failures, limit)
        .number("Line", |failure| failure.line)
        .name("Example", |failure| Cell::or_blank(failure.id.as_deref().map(|id| Cell::line(id, 60))))
        .prose("Reason", |failure| Cell::line(&failure.reason, 200))
        .table()
        .without_empty_columns();
    let left_out = view.failed().saturating_sub(table.rows.len());
    Table { left_out, ..table }
}

/// What the figures are about, and what they assume.
pub(in crate::core::report) fn validation_notes(view: &JudgeValidationView) -> Vec<String> {
    let mut notes = Vec::new();
    let labels = count_of(view.labels_given, "label");
    notes.push(match (&view.run, view.of) {
        (Some(run), _) => {
            let prompt = run.prompt.as_ref().map(|prompt| format!(" · {}", line(prompt, 40))).unwrap_or_default();
            format!(
                "{labels} of {} of the run {} on {}{prompt}, scored by {} ({}).",
                count_of(view.answers, "answer"),
                line(&run.run_id, 40),
                line(&run.endpoint, 40),
                line(&view.judge, 60),
                line(&view.scorer, 40)
            )
        }
        (None, LabelsOf::CalibrationSet | LabelsOf::Run) => format!(
            "{labels} of {} in {}, scored by {} ({}) in {}.",
            count_of(view.answers, "answer"),
            line(&view.labels, 100),
            line(&view.judge, 60),
            line(&view.scorer, 40),
            count_of(view.calls, "call")
        ),
    });
    for out in &view.left_out {
        let lines: Vec<String> = out.lines.iter().take(5).map(u64::to_string).collect();
        let more = if out.count > lines.len() { ", …" } else { "" };
        notes.push(format!(
            "{} left out, because {} (line {}{more}).",
            count_of(out.count, "answer"),
            out.reason.sentence(),
            lines.join(", ")
        ));
    }
    if let Some(people) = view.people {
        notes.push(format!("{} labelled by several people; the majority counts.", are(people.answers)));
    }
    if let Some(mark) = view.pass_mark {
        notes.push(format!("Scores from {mark} on count as a pass."));
    }
    // Each sentence once, whatever the number of runs.
    let mut details: Vec<&str> = Vec::new();
    for score in &view.scores {
        let detail = score.detail.as_str();
        if !detail.is_empty() && !details.contains(&detail) {
            details.push(detail);
            let assumes = if score.corrected.is_some() { "The correction assumes: " } else { "" };
            notes.push(format!("{assumes}{}", line(detail, 300)));
        }
    }
    notes.extend(view.notes.iter().map(|note| capitalized(&line(note, 300))));
    notes
}

fn are(answers: usize) -> String {
    format!("{} {}", count_of(answers, "answer"), if answers == 1 { "was" } else { "were" })
}

fn capitalized(note: &str) -> String {
    let mut letters = note.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
