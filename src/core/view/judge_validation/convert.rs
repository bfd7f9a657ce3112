//! Figures of a validation as they are shown and stored.

use super::{
    BiasView, ChangeView, CorrectedScoreView, CountedShareView, DriftVerdictView, EffectView, FamilyBiasView,
    FigureView, JudgeDriftView, JudgePositionView, LengthBiasView, LengthThirdView, ScoreAgreementView,
    VerdictAgreementView,
};
use crate::core::judge::validation::{
    Bias, BinaryAgreement, Change, Corrected, Drift, DriftVerdict, Effect, Estimate, FamilyBias, GradedAgreement,
    LengthBias, Method, PositionBias, Rate, Third,
};

impl CorrectedScoreView {
    /// Adds an estimate.
    #[must_use]
    pub fn with(self, corrected: &Corrected) -> Self {
        let method = match corrected.method {
            Method::PredictionPowered => "prediction_powered",
            Method::PostStratified => "post_stratified",
            Method::RoganGladen => "rogan_gladen",
        };
        let figure = FigureView { value: corrected.value, lo: corrected.interval.lo, hi: corrected.interval.hi };
        Self {
            corrected: Some(figure),
            method: Some(method.to_owned()),
            detail: corrected.method.assumes().to_owned(),
            ..self
        }
    }
}

impl JudgeDriftView {
    /// Fills in what a comparison found.
    #[must_use]
    pub fn with(self, drift: &Drift) -> Self {
        let verdict = match drift.verdict {
            DriftVerdict::Unchanged => DriftVerdictView::Unchanged,
            DriftVerdict::Changed => DriftVerdictView::Changed,
            DriftVerdict::TooLittleData => DriftVerdictView::TooLittleData,
        };
        Self {
            verdict,
            differing: Some(drift.differing.into()),
            score: Some(drift.score.into()),
            agreement: drift.agreement.map(Into::into),
            ..self
        }
    }
}

impl From<Estimate> for FigureView {
    fn from(estimate: Estimate) -> Self {
        Self { value: estimate.value, lo: estimate.interval.lo, hi: estimate.interval.hi }
    }
}

impl From<Rate> for CountedShareView {
    fn from(rate: Rate) -> Self {
        let Rate { value, interval, count, of } = rate;
        Self { value, lo: interval.lo, hi: interval.hi, count, of }
    }
}

impl From<Effect> for EffectView {
    fn from(effect: Effect) -> Self {
        Self { value: effect.value, lo: effect.interval.lo, hi: effect.interval.hi, p_value: effect.p_value }
    }
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let Change { before, after, difference, interval, p_value, .. } = change;
        Self { before, after, difference, lo: interval.lo, hi: interval.hi, p_value }
    }
}

impl From<Bias> for BiasView {
    fn from(bias: Bias) -> Self {
        match bias {
            Bias::Favours => Self::Favours,
            Bias::Disfavours => Self::Disfavours,
            Bias::NotShown => Self::NotShown,
            Bias::TooLittleData => Self::TooLittleData,
        }
    }
}

impl From<BinaryAgreement> for VerdictAgreementView {
    fn from(found: BinaryAgreement) -> Self {
        Self {
            confusion: found.confusion,
            accuracy: found.accuracy.into(),
            kappa: found.kappa.map(Into::into),
            alpha: found.alpha.map(Into::into),
            sensitivity: found.sensitivity.map(Into::into),
            specificity: found.specificity.map(Into::into),
            precision: found.precision.map(Into::into),
            negative_predictive_value: found.negative_predictive_value.map(Into::into),
        }
    }
}

impl From<GradedAgreement> for ScoreAgreementView {
    fn from(found: GradedAgreement) -> Self {
        Self {
            mean_absolute_error: found.mean_absolute_error.into(),
            mean_difference: found.mean_difference.into(),
            spearman: found.spearman.map(Into::into),
            kappa_linear: found.kappa_linear.map(Into::into),
            kappa_quadratic: found.kappa_quadratic.map(Into::into),
            alpha: found.alpha.map(Into::into),
        }
    }
}

impl From<LengthBias> for LengthBiasView {
    fn from(found: LengthBias) -> Self {
        let third = |third: &Third| LengthThirdView {
            shortest: third.shortest,
            longest: third.longest,
            n: third.n,
            difference: third.difference.into(),
        };
        Self {
            bias: found.bias.into(),
            per_doubling: found.per_doubling.map(Into::into),
            thirds: found.thirds.iter().map(third).collect(),
        }
    }
}

impl FamilyBiasView {
    /// What was found about the answers of a family.
    pub fn new(family: String, found: &FamilyBias) -> Self {
        Self {
            family,
            bias: found.bias.into(),
            own: found.own,
            others: found.others,
            difference: found.difference.map(Into::into),
            given_person: found.given_person.map(Into::into),
        }
    }
}

impl From<PositionBias> for JudgePositionView {
    fn from(found: PositionBias) -> Self {
        Self {
            bias: found.bias.into(),
            flips: found.flips.map(Into::into),
            toward_first: found.toward_first,
            toward_second: found.toward_second,
            p_value: found.flip_p,
        }
    }
}
