//! Whether production answers the same topics differently.

use super::{Figures, Tested};
use crate::core::decay::findings::{Findings, shown};
use crate::core::decay::moved::Known;
use crate::core::records::Records;
use crate::core::shift::{OutputChange, ShiftOptions, output_mix};
use crate::core::view::DriftKind;

pub(super) fn tested(findings: &Findings<'_>) -> Tested {
    let (found, evidence) = match found(findings) {
        Ok((figures, evidence)) => (Ok(figures), evidence),
        Err(missing) => (Err(format!("Not measured: {missing}.")), Vec::new()),
    };
    Tested { what: DriftKind::Outputs, of: None, found, evidence }
}

fn found(findings: &Findings<'_>) -> Result<(Figures, Vec<String>), &'static str> {
    let inputs = &findings.inputs;
    let then = inputs.reference.as_ref().ok_or("there is no reference window")?;
    let has_outputs = |records: &Records<'_>| records.outputs().iter().any(Option::is_some);
    if !has_outputs(&then.records) || !has_outputs(&inputs.now.records) {
        return Err("the traffic of both windows needs outputs (the field output of `karat traffic import`)");
    }
    let covered = findings.coverage.as_ref().and_then(|coverage| Some((&coverage.now, coverage.reference.as_ref()?)));
    let (now, before) = covered.ok_or("the topics of the requests are only known if coverage can be measured")?;
    let (now, before) = (Known::new(&inputs.now, &now.records), Known::new(then, &before.records));
    let options = ShiftOptions { seed: inputs.seed, ..ShiftOptions::default() };
    let mix = output_mix(before.of_topics(), now.of_topics(), options)
        .ok_or("there are too few outputs of the same topics (20 per window), or all are equal")?;
    let names = findings.live.topic_names(inputs);
    let change = |change: &OutputChange| {
        format!(
            "{}: \"{}\" {:.0} % → {:.0} %",
            names.get(change.topic).map_or("", String::as_str),
            shown(&change.output),
            change.reference * 100.0,
            change.now * 100.0
        )
    };
    let evidence = mix.changes.iter().map(change).collect();
    let what = if mix.as_they_are { "what production answers" } else { "the form of what production answers" };
    let figures = Figures {
        effect: mix.effect,
        interval: None,
        p_value: mix.p_value,
        detectable: mix.detectable,
        compared: mix.compared,
        subject: format!("{what} to requests about the same topics since {}", then.span.label()),
        unit: "of the outputs",
    };
    Ok((figures, evidence))
}
