//! Incidents: blocked, contained, harmful.

use schema::incidents::{Incident, IncidentFilter};
use schema::{ExternalId, Outcome, RecordKind};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields};
use crate::base::today::Today;
use crate::records::{Key, Resource, evidence_routes, resource};

impl Resource for Incident {
    const KIND: RecordKind = RecordKind::Incidents;
    const NAME: &'static str = "Incident";
    const NAME_JA: &'static str = "事案";
    const PATH: &'static str = "/v1/incidents";
    const HAS_EXTERNAL_ID: bool = true;
    const KEY_FIELD: &'static str = "external_id";

    resource! {
        Incident {
            suppliers {
                supplier_id = "supplier_code" by supplier true:
                    ("取引先コード", "事案のあった取引先のコード", "The code of the affected supplier", "S0000001");
            }
            fields {
                occurred_on: ("発生日", "起きた日。発注者の今日以前", "The day of the incident, at most the buyer's today", "\"2026-08-10\"");
                category: ("種別", "事案の種類", "The kind of incident", "malware");
                outcome: ("結果", "遮断、封じ込め、実害のいずれか", "The outcome: blocked, contained or harmful", "contained");
                count: ("件数", "この行が表す件数。実害のある事案は1件ごとに1行。空なら1", "The number of incidents in this row. 1 if omitted. A harmful incident has a row of its own", "12");
                loss_jpy: ("損失額", "取引先の損失（円）", "The loss of the supplier, in yen", "476974");
                downtime_days: ("停止日数", "取引先の業務が止まった日数", "The number of days for which the supplier's business stopped", "5.7");
                detected_at: ("検知日時", "検知した日時", "When the incident was detected", "2026-08-10T02:15:00+09:00");
                reported_at: ("報告日時", "発注者に報告された日時", "When the incident was reported to the buyer", "2026-08-10T09:00:00+09:00");
                partners_affected: ("影響した取引先数", "影響を受けたほかの会社の数", "The number of other firms that were affected", "3");
                indicators: ("痕跡情報", "IPアドレスやハッシュ値など、共有できる痕跡", "Indicators that may be shared, such as IP addresses and hashes", "203.0.113.7");
            }
        }
    }

    const FILTERS: &'static [Field] = &[
        Field::of::<Incident, _>(
            |row| &row.outcome,
            "outcome",
            ("結果", "この結果の事案だけ", "Only incidents with this outcome", "harmful"),
        ),
        Field::of::<Incident, _>(
            |row| &row.category,
            "category",
            ("種別", "この種別の事案だけ", "Only incidents of this category", "ransomware"),
        ),
        Field::of::<Incident, _>(
            |row| &row.occurred_on,
            "occurred_on_gte",
            ("発生日から", "この日以降の事案だけ", "Only incidents on this day or later", "\"2026-01-01\""),
        ),
        Field::of::<Incident, _>(
            |row| &row.occurred_on,
            "occurred_on_lte",
            ("発生日まで", "この日以前の事案だけ", "Only incidents on this day or earlier", "\"2026-09-30\""),
        ),
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<IncidentFilter> {
        let outcome = fields.value("outcome", None);
        let category = fields.value("category", None);
        let from = fields.value("occurred_on_gte", None);
        let to = fields.value("occurred_on_lte", None);
        Some(IncidentFilter { outcome: outcome?, category: category?, occurred_on_gte: from?, occurred_on_lte: to? })
    }

    fn key(&self, external_id: Option<&ExternalId>) -> Option<Key> {
        external_id.map(|id| Key::Fixed(id.to_string()))
    }

    fn check(&self, today: Today, faults: &mut Vec<Fault>) {
        if self.occurred_on > today.day {
            faults.push(Fault::new("occurred_on", Reason::InTheFuture(today.day)));
        }
        for (name, time) in [("detected_at", self.detected_at), ("reported_at", self.reported_at)] {
            if time.is_some_and(|time| time > today.moment) {
                faults.push(Fault::new(name, Reason::InTheFuture(today.day)));
            }
        }
        if let (Some(detected), Some(reported)) = (self.detected_at, self.reported_at)
            && reported < detected
        {
            faults.push(Fault::new("reported_at", Reason::EndsBeforeStart("reported_at", "detected_at")));
        }
        if self.outcome == Outcome::Harmful && self.count.is_some_and(|count| count.get() != 1) {
            faults.push(Fault::new("count", Reason::Model(scoring::Reason::HarmfulCount)));
        }
    }
}

evidence_routes! {
    Incident, "incidents", one "an incident", many "incidents";
    "/incidents": list_incidents, create_incident;
    "/incidents/by-key": put_incident_by_key;
    "/incidents/{id}": get_incident, change_incident;
    "/incidents/{id}/retract": retract_incident;
    "/incidents/{id}/restore": restore_incident;
    "/incidents/{id}/versions": list_incident_versions;
}
