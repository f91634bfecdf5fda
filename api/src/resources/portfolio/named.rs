//! The suppliers that a portfolio names: those that cause the largest losses, and those that stop many others.

use std::collections::HashMap;

use schema::scores::{self, ScoreRow};
use schema::{RunId, SupplierId, Tx};
use scoring::{Coverage, Lang};
use serde::Serialize;
use utoipa::ToSchema;

use super::numbers::Grade;
use crate::base::problem::ApiError;
use crate::resources::score_runs::overview::Overview;
use crate::resources::scores::{explanation, read_facts};

/// A supplier whose own incidents cause a large loss.
/// ja: 自社の事案に起因する損失が大きい取引先
#[derive(Serialize, ToSchema)]
pub(super) struct MostLossSupplier {
    #[serde(flatten)]
    supplier: NamedSupplier,
    /// The expected annual loss of the buyer that the supplier's own incidents cause, here and downstream, in yen.
    /// ja: この取引先自身の事案により、この取引先と下流で生じる年間期待損失（円）
    #[schema(example = 21_893_944.0)]
    expected_annual_loss_caused_jpy: f64,
    /// That loss divided by the expected annual loss of the whole portfolio, 0 to 1; null if that is 0.
    /// ja: 全体の年間期待損失に占める割合（0〜1）。全体の損失が0なら null
    #[schema(example = 0.036)]
    share: Option<f64>,
    /// The largest part of that loss, in words; null if unknown.
    /// ja: 損失の最大の要因。不明なら null
    #[schema(example = "access to the network")]
    main_loss_reason: Option<String>,
    /// The contribution, other than size and section, that raises the risk score most, in words; null if none raises it.
    /// ja: 規模と業種を除き、リスクスコアを最も押し上げている内訳。なければ null
    #[schema(example = "1 harmful incident")]
    main_reason: Option<String>,
}

/// A supplier whose stop can reach many tier-1 suppliers.
/// ja: 停止の影響を受ける1次取引先が多い取引先
#[derive(Serialize, ToSchema)]
pub(super) struct StopsTier1Supplier {
    #[serde(flatten)]
    supplier: NamedSupplier,
    /// The number of tier-1 suppliers that its stop can reach.
    /// ja: 停止の影響を受ける1次取引先の数
    #[schema(example = 42)]
    tier_1_supplier_count: usize,
    /// Their share of all tier-1 suppliers, 0 to 1; null without any tier-1 suppliers.
    /// ja: 1次取引先全体に占める割合（0〜1）。1次取引先がなければ null
    #[schema(example = 0.2)]
    share: Option<f64>,
}

/// A supplier and its grade.
#[derive(Serialize, ToSchema)]
struct NamedSupplier {
    /// The id of the supplier.
    /// ja: 取引先のID
    supplier_id: SupplierId,
    /// The buyer's code for the supplier when it was scored.
    /// ja: 計算時の取引先コード
    #[schema(example = "S0000062")]
    supplier_code: String,
    /// The name of the supplier when it was scored; null if unknown.
    /// ja: 計算時の取引先名。不明なら null
    #[schema(example = "備製作所株式会社")]
    name: Option<String>,
    /// The grade, by the supplier's own risk.
    /// ja: リスク等級
    #[schema(value_type = Grade)]
    grade: String,
}

impl From<&ScoreRow> for NamedSupplier {
    fn from(row: &ScoreRow) -> Self {
        Self {
            supplier_id: row.supplier_id,
            supplier_code: row.supplier_code.clone(),
            name: row.name.clone(),
            grade: row.grade.clone(),
        }
    }
}

/// The scores of the suppliers that an overview names, by code, and the facts that explain them.
pub(super) struct Named(HashMap<String, (ScoreRow, String)>);

impl Named {
    pub(super) fn find(tx: &mut Tx, run: RunId, overview: &Overview) -> Result<Self, ApiError> {
        let losses = overview.most_loss.iter().map(|(code, _)| code.as_str());
        let codes: Vec<&str> = losses.chain(overview.stops_tier_1.iter().map(|(code, _)| code.as_str())).collect();
        let found = scores::of_codes(tx, run, &codes)?;
        Ok(Self(found.into_iter().map(|(row, facts)| (row.supplier_code.clone(), (row, facts))).collect()))
    }

    pub(super) fn most_loss(&self, overview: &Overview, lang: Lang) -> Result<Vec<MostLossSupplier>, ApiError> {
        let total = overview.expected_annual_loss_jpy;
        let found = overview.most_loss.iter().filter_map(|(code, caused)| Some((self.0.get(code)?, *caused)));
        let suppliers = found.map(|((row, facts), caused)| {
            let facts = read_facts(facts)?;
            let explanation = explanation(row, &facts);
            Ok(MostLossSupplier {
                supplier: row.into(),
                expected_annual_loss_caused_jpy: caused,
                share: (total > 0.0).then(|| caused / total),
                main_loss_reason: explanation.main_loss().map(|loss| loss.reason(lang)),
                main_reason: explanation.main_reason().map(|part| part.reason(lang)),
            })
        });
        suppliers.collect()
    }

    pub(super) fn stops_tier_1(&self, overview: &Overview) -> Vec<StopsTier1Supplier> {
        let found = overview.stops_tier_1.iter().filter_map(|(code, count)| Some((self.0.get(code)?, *count)));
        let suppliers = found.map(|((row, _), count)| StopsTier1Supplier {
            supplier: row.into(),
            tier_1_supplier_count: count,
            share: Coverage { count, of: overview.tier_1_count }.share(),
        });
        suppliers.collect()
    }
}
