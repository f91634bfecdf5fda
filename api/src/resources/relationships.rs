//! Relationships: who supplies whom, and the buyer.

use schema::relationships::{Relationship, RelationshipFilter};
use schema::{ExternalId, RecordKind, SupplierCode, SupplierId};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, FieldValue, Fields, Kind};
use crate::base::today::Today;
use crate::records::{Key, Resource, evidence_routes, resource};

impl Resource for Relationship {
    const KIND: RecordKind = RecordKind::Relationships;
    const NAME: &'static str = "Relationship";
    const NAME_JA: &'static str = "取引関係";
    const PATH: &'static str = "/v1/relationships";
    const HAS_EXTERNAL_ID: bool = true;
    const KEY_FIELD: &'static str = "external_id";

    resource! {
        Relationship {
            suppliers {
                upstream_id = "upstream_code" by supplier true:
                    ("供給元コード", "供給する取引先のコード", "The code of the supplier that delivers", "S0000001");
                downstream_id = "downstream_code" by optional_supplier false:
                    ("供給先コード", "供給を受ける取引先のコード。空なら発注者", "The code of the supplier that receives the deliveries. The buyer if omitted", "S0000002");
            }
            fields {
                item: ("品目", "供給する品目やサービス", "The goods or services that are supplied", "ねじ");
                annual_spend_jpy: ("年間取引額", "1年の取引額（円）。空なら0として計算", "The spend per year, in yen. If unknown, 0 is assumed", "31452845");
                criticality: ("重要度", "止まったときの影響", "The effect downstream if the supply stops", "stops_line");
                substitutability: ("代替性", "ほかから調達できるか", "Whether others could supply it", "limited");
                stock_cover_days: ("在庫日数", "在庫でしのげる日数。空なら0として計算", "The number of days for which the stock lasts. If unknown, 0 is assumed", "14");
                valid_from_on: ("適用開始日", "この取引関係の最初の日。空なら以前から", "The first day of the relationship. If omitted, it has always been valid", "\"2024-04-01\"");
                valid_to_on: ("適用終了日", "この日からは取引がない。空なら継続中", "The day after the last day of the relationship. Open-ended if omitted", "\"2027-04-01\"");
            }
        }
    }

    const FILTERS: &'static [Field] = &[
        Field {
            name: "downstream_code",
            heading: "供給先コード",
            ja: "この取引先コードの取引先への供給だけ（統合した取引先への供給を含む）",
            en: "Only supply to the supplier with this code, and to suppliers merged into it",
            kind: Kind::Text { max: 64 },
            is_required: false,
            example: "S0000002",
            read: SupplierCode::read_scalar,
        },
        Field {
            name: "downstream_id",
            heading: "供給先ID",
            ja: "この取引先への供給だけ（統合した取引先への供給を含む）",
            en: "Only supply to this supplier, and to suppliers merged into it",
            kind: Kind::Id,
            is_required: false,
            example: "01999999-9999-7999-8999-999999999999",
            read: SupplierId::read_scalar,
        },
        Field {
            name: "to_buyer",
            heading: "発注者への供給",
            ja: "`true` なら発注者への供給だけ",
            en: "`true` selects only supply to the buyer itself",
            kind: Kind::Flag,
            is_required: false,
            example: "true",
            read: bool::read_scalar,
        },
        Field::of::<Relationship, _>(
            |row| &row.criticality,
            "criticality",
            ("重要度", "この重要度の取引関係だけ", "Only relationships with this criticality", "stops_line"),
        ),
        Field::of::<Relationship, _>(
            |row| &row.substitutability,
            "substitutability",
            ("代替性", "この代替性の取引関係だけ", "Only relationships with this substitutability", "sole"),
        ),
        Field::of::<Relationship, _>(
            |row| &row.valid_from_on,
            "valid_on",
            ("有効日", "この日に有効な取引関係だけ", "Only relationships in force on this day", "\"2026-09-30\""),
        ),
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<RelationshipFilter> {
        let downstream = fields.family("downstream_code", "downstream_id");
        let to_buyer = fields.value::<Option<bool>>("to_buyer", None);
        let criticality = fields.value("criticality", None);
        let substitutability = fields.value("substitutability", None);
        let valid_on = fields.value("valid_on", None);
        Some(RelationshipFilter {
            downstream_ids: downstream?,
            to_buyer: to_buyer?.unwrap_or(false),
            criticality: criticality?,
            substitutability: substitutability?,
            valid_on: valid_on?,
        })
    }

    fn key(&self, external_id: Option<&ExternalId>) -> Option<Key> {
        // The two forms of keys begin differently, and no code contains the separator.
        Some(match external_id {
            Some(id) => Key::Fixed(format!("id\u{1f}{id}")),
            None => {
                let downstream = self.downstream_id.map(|id| id.to_string()).unwrap_or_default();
                let item = self.item.as_ref().map_or("", |item| item.as_str());
                Key::Counted(format!("row\u{1f}{}\u{1f}{downstream}\u{1f}{item}\u{1f}", self.upstream_id))
            }
        })
    }

    fn check(&self, _today: Today, faults: &mut Vec<Fault>) {
        if self.downstream_id == Some(self.upstream_id) {
            faults.push(Fault::new("downstream_code", Reason::Model(scoring::Reason::SelfSupply)));
        }
        if let (Some(from), Some(to)) = (self.valid_from_on, self.valid_to_on)
            && to <= from
        {
            faults.push(Fault::new("valid_to_on", Reason::EndsBeforeStart("valid_to_on", "valid_from_on")));
        }
    }
}

evidence_routes! {
    Relationship, "relationships", one "a relationship", many "relationships";
    "/relationships": list_relationships, create_relationship;
    "/relationships/by-key": put_relationship_by_key;
    "/relationships/{id}": get_relationship, change_relationship;
    "/relationships/{id}/retract": retract_relationship;
    "/relationships/{id}/restore": restore_relationship;
    "/relationships/{id}/versions": list_relationship_versions;
}
