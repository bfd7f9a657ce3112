//! Tables of a canary.

use super::Table;
use crate::core::canary::Decision;
use crate::core::view::{CanaryView, Cell, Phrase, line, phrase};

/// The decision in one sentence.
pub(in crate::core::report) fn canary_sentence(view: &CanaryView) -> Phrase {
    let (baseline, candidate) = (line(&view.baseline.endpoint, 40), line(&view.candidate.endpoint, 40));
    let margin = Cell::Number(100.0 * view.rule.margin, 1);
    let decision = match view.decision {
        Decision::Promote => {
            phrase![format!("Promote {candidate}: it is not worse than {baseline} by "), margin, " points"]
        }
        Decision::RollBack => phrase![format!("Roll back {candidate}: it is worse than {baseline}")],
        Decision::BudgetSpent => phrase![format!("No decision: the budget is spent on {candidate} against {baseline}")],
        Decision::Continue => phrase![format!("Not decided yet: {candidate} against {baseline}")],
    };
    let difference = view.difference.map_or_else(Phrase::default, |difference| {
        phrase![
            ", ",
            Cell::Points(difference),
            " points on ",
            line(&view.scorer, 40),
            " (",
            Cell::Share(view.confidence, 0),
            " interval at any time ",
            Cell::PointsInterval(view.lo, view.hi),
            ")"
        ]
    });
    phrase![
        decision,
        " (",
        Cell::from(view.pairs),
        " of at most ",
        Cell::from(view.rule.budget),
        " pairs)",
        difference,
        "."
    ]
}

/// Both endpoints.
pub(in crate::core::report) fn canary_sides(view: &CanaryView) -> Table {
    let sides = [("baseline", &view.baseline, view.worse), ("candidate", &view.candidate, view.better)];
    Table::of("Endpoints", sides, usize::MAX)
        .name("Role", |(role, ..)| *role)
        .name("Endpoint", |(_, side, _)| line(&side.endpoint, 60))
        .number("Mean", |(_, side, _)| side.mean.map(|mean| Cell::Number(mean, 3)))
        .number("Better in", |(.., better)| *better)
        .number("Errors", |(_, side, _)| side.errors)
        .number("p50", |(_, side, _)| Cell::or_blank(side.p50_ms.map(Cell::Milliseconds)))
        .number("Cost", |(_, side, _)| Cell::or_blank(side.cost.map(|cost| Cell::Number(cost, 4))))
        .table()
        .without_empty_columns()
}

/// What the decision is based on.
pub(in crate::core::report) fn canary_notes(view: &CanaryView) -> Vec<String> {
    let needed = -view.rule.level.log10();
    let mut notes = vec![format!(
        "evidence (log10 of the e-value, {needed:.2} decides): to promote {:.2}, to roll back {:.2}",
        view.evidence_to_promote, view.evidence_to_roll_back
    )];
    notes.push(format!("{} equal, {} without a score on both sides", Cell::from(view.equal), Cell::from(view.missing)));
    if let Some(fixed) = view.fixed_pairs {
        notes.push(format!(
            "a test with a fixed number of pairs would need {} of them (power 95 %, with as many differing pairs)",
            Cell::from(fixed)
        ));
    }
    notes.extend(view.notes.iter().cloned());
    notes
}
