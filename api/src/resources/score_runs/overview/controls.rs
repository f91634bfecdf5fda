//! What is known about single controls, as it is stored with a run.

use scoring::{ControlCoverage, Coverage};
use serde::{Deserialize, Serialize};

use super::{LAST_TIER, add};

/// The headings of what is known about controls, in Japanese and English.
pub(crate) const CONTROL_HEADINGS: [(&str, &str); 4] =
    [("対策", "control"), ("確認記録あり", "assessed"), ("実施", "in place"), ("事業者・第三者が確認", "verified")];

/// What is known about a control over some suppliers, known or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownControl {
    pub(crate) control: String,
    pub(crate) known: Coverage,
    /// `None` for the self-assessment.
    pub(crate) met: Option<Coverage>,
    pub(crate) verified: Coverage,
}

impl From<&ControlCoverage> for KnownControl {
    fn from(coverage: &ControlCoverage) -> Self {
        let ControlCoverage { control, known, met, verified } = *coverage;
        Self { control: control.to_owned(), known, met, verified }
    }
}

/// Returns the controls by tier, with all beyond [`LAST_TIER`] in it.
pub(super) fn by_tier(tiers: &[(Option<u32>, Vec<ControlCoverage>)]) -> Vec<(Option<u32>, Vec<KnownControl>)> {
    let mut parts: Vec<(Option<u32>, Vec<KnownControl>)> = Vec::new();
    for (tier, controls) in tiers {
        let tier = tier.map(|tier| tier.min(LAST_TIER));
        match parts.last_mut().filter(|(last, _)| *last == tier) {
            Some((_, part)) => part.iter_mut().zip(controls).for_each(|(part, control)| {
                add(&mut part.known, control.known);
                if let (Some(part), Some(met)) = (&mut part.met, control.met) {
                    add(part, met);
                }
                add(&mut part.verified, control.verified);
            }),
            None => parts.push((tier, of_all(controls))),
        }
    }
    parts
}

pub(super) fn of_all(controls: &[ControlCoverage]) -> Vec<KnownControl> {
    controls.iter().map(KnownControl::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_read_as_they_are_stored() {
        let stored = concat!(
            r#"[{"control":"mfa","known":{"count":2,"of":3},"met":{"count":1,"of":3},"verified":{"count":0,"of":3}},"#,
            r#"{"control":"self_assessment","known":{"count":1,"of":3},"met":null,"verified":{"count":1,"of":3}}]"#,
        );
        let read: Vec<KnownControl> = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }

    #[test]
    fn the_last_tier_takes_in_the_controls_of_all_beyond_it() {
        let of = |count, of| Coverage { count, of };
        let known = |count, met: Option<usize>, all| ControlCoverage {
            control: "mfa",
            known: of(count, all),
            met: met.map(|met| of(met, all)),
            verified: of(0, all),
        };
        let tiers = [(Some(9), 1), (Some(10), 2), (Some(12), 3), (None, 4)];
        let tiers = tiers.map(|(tier, all)| (tier, vec![known(all, Some(1), all), known(1, None, all)]));
        let expected = [(Some(9), 1, 1, 1), (Some(10), 5, 2, 2), (None, 4, 1, 1)]
            .map(|(tier, all, met, others)| (tier, of_all(&[known(all, Some(met), all), known(others, None, all)])));
        assert_eq!(by_tier(&tiers), expected);
    }
}
