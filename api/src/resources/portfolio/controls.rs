//! What is known about single controls: over all suppliers, by tier and by size class.

use schema::Control;
use serde::Serialize;
use utoipa::ToSchema;

use super::numbers::{Proportion, SizeClass};
use crate::resources::score_runs::overview::KnownControl;

/// What is known about a control.
/// ja: 対策の確認の状況
#[derive(Serialize, ToSchema)]
pub(super) struct ControlCoverage {
    /// The control.
    /// ja: 対策
    #[schema(value_type = Control)]
    control: String,
    /// Suppliers with an assessment of this control that is not yet too old to count.
    /// ja: この対策の確認記録がある取引先（古くなって算入されないものを除く）
    known: Proportion,
    /// Suppliers whose assessment says that the control is in place, out of all suppliers; null for the self-assessment.
    /// ja: 実施と記録された取引先（全取引先に対する割合）。自社診断では null
    met: Option<Proportion>,
    /// Suppliers whose assessment comes from an お助け隊 provider or a third party, whatever it says.
    /// ja: 事業者または第三者が確認した取引先（実施・未実施を問わない）
    verified: Proportion,
}

/// What is known about a control in a tier.
/// ja: 取引階層ごとの対策の確認の状況
#[derive(Serialize, ToSchema)]
pub(super) struct ControlInTier {
    /// The tier. 1 supplies the buyer directly, and 10 includes all tiers beyond it; null without a known path to the
    /// buyer.
    /// ja: 取引階層。1は発注者に直接納める取引先、10は10次以降。発注者までの商流が未登録なら null
    #[schema(example = 1)]
    tier: Option<u32>,
    #[serde(flatten)]
    known: ControlCoverage,
}

/// What is known about a control in a size class.
/// ja: 企業規模ごとの対策の確認の状況
#[derive(Serialize, ToSchema)]
pub(super) struct ControlOfSizeClass {
    /// The size class.
    /// ja: 企業規模
    #[schema(value_type = SizeClass)]
    size_class: String,
    #[serde(flatten)]
    known: ControlCoverage,
}

impl From<KnownControl> for ControlCoverage {
    fn from(known: KnownControl) -> Self {
        let KnownControl { control, known, met, verified } = known;
        Self { control, known: known.into(), met: met.map(Proportion::from), verified: verified.into() }
    }
}

impl ControlInTier {
    pub(super) fn list(tiers: Vec<(Option<u32>, Vec<KnownControl>)>) -> Vec<Self> {
        let of_tier = |(tier, controls): (_, Vec<_>)| {
            controls.into_iter().map(move |known: KnownControl| Self { tier, known: known.into() })
        };
        tiers.into_iter().flat_map(of_tier).collect()
    }
}

impl ControlOfSizeClass {
    pub(super) fn list(sizes: Vec<(String, Vec<KnownControl>)>) -> Vec<Self> {
        let of_size = |(size_class, controls): (String, Vec<_>)| {
            controls
                .into_iter()
                .map(move |known: KnownControl| Self { size_class: size_class.clone(), known: known.into() })
        };
        sizes.into_iter().flat_map(of_size).collect()
    }
}
