//! Enrollments in お助け隊 services.

use std::collections::HashSet;

use schema::enrollments::{Enrollment, EnrollmentFilter};
use schema::{Choice, ExternalId, Name, RecordKind, RepoError, Stored, Tx, services};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields};
use crate::base::today::Today;
use crate::records::{Key, Resource, evidence_routes, resource};

impl Resource for Enrollment {
    const KIND: RecordKind = RecordKind::Enrollments;
    const NAME: &'static str = "Enrollment";
    const NAME_JA: &'static str = "加入";
    const PATH: &'static str = "/v1/enrollments";
    const HAS_EXTERNAL_ID: bool = true;
    const KEY_FIELD: &'static str = "external_id";

    resource! {
        Enrollment {
            suppliers {
                supplier_id = "supplier_code" by supplier true:
                    ("取引先コード", "加入している取引先のコード", "The code of the enrolled supplier", "S0000001");
            }
            fields {
                service_name: ("サービス名", "登録されたサービスの名前", "The name of the service, as registered", "お助け隊サービス01");
                provider_name: ("事業者名", "サービスを提供する事業者", "The name of the provider", "事業者01");
                service_class: ("サービス区分", "1類、2類、新類型のいずれか。スコアに使う", "The class of the service. Scores depend on it", "class_1");
                monitoring: ("監視の種類", "ネットワーク、端末、併用のいずれか", "What the service monitors", "endpoint");
                coverage_share: ("カバー率", "監視されている端末の割合、0〜1。不明なら対象端末数と端末総数から求める", "The share of endpoints that are monitored, 0 to 1. If unknown, it follows from the numbers of endpoints", "0.8");
                covered_endpoints: ("対象端末数", "監視されている端末の数", "The number of endpoints that are monitored", "80");
                starts_on: ("開始日", "監視が始まる日", "The first day of monitoring", "\"2025-04-01\"");
                ends_on: ("終了日", "この日からは監視がない。空なら継続中", "The day after the last day of monitoring. Open-ended if omitted", "\"2027-04-01\"");
                onsite_response: ("駆付け", "技術者の駆付けがあるか", "Whether technicians come on site", "true");
                insured_limit_jpy: ("保険限度額", "付帯する保険の限度額（円）", "The limit of the included insurance, in yen", "1000000");
            }
        }
    }

    const FILTERS: &'static [Field] = &[
        Field::of::<Enrollment, _>(
            |row| &row.service_class,
            "service_class",
            ("サービス区分", "このサービス区分の加入だけ", "Only enrollments in services of this class", "class_1"),
        ),
        Field::of::<Enrollment, _>(
            |row| &row.provider_name,
            "provider_name",
            ("事業者名", "この事業者への加入だけ", "Only enrollments with this provider", "事業者01"),
        ),
        Field::of::<Enrollment, _>(
            |row| &row.starts_on,
            "active_on",
            ("有効日", "この日に有効な加入だけ", "Only enrollments in force on this day", "\"2026-09-30\""),
        ),
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<EnrollmentFilter> {
        let class = fields.value("service_class", None);
        let provider = fields.value("provider_name", None);
        let active_on = fields.value("active_on", None);
        Some(EnrollmentFilter { service_class: class?, provider_name: provider?, active_on: active_on? })
    }

    fn key(&self, external_id: Option<&ExternalId>) -> Option<Key> {
        external_id.map(|id| Key::Fixed(id.to_string()))
    }

    fn sent_by(&mut self, provider: &Name, _faults: &mut Vec<Fault>) {
        self.provider_name = Some(provider.clone());
    }

    fn check(&self, _today: Today, faults: &mut Vec<Fault>) {
        if self.ends_on.is_some_and(|end| end <= self.starts_on) {
            faults.push(Fault::new("ends_on", Reason::Model(scoring::Reason::EndsBeforeStart)));
        }
    }

    fn warnings(tx: &mut Tx, rows: &[&Stored<Self>]) -> Result<Vec<Vec<Fault>>, RepoError> {
        let service = |row: &&Stored<Self>| {
            let row = &row.attributes;
            row.provider_name.clone().zip(row.service_name.clone())
        };
        let asked: HashSet<_> = rows.iter().filter_map(service).collect();
        let classes = services::classes(tx, &asked.iter().map(|(provider, name)| (provider, name)).collect())?;
        let warnings = rows.iter().map(|row| {
            let class = service(row).and_then(|service| classes.get(&service));
            let differs = class.filter(|class| **class != row.attributes.service_class);
            let warning = differs.map(|class| Fault::new("service_class", Reason::ClassDiffers(class.key())));
            warning.into_iter().collect()
        });
        Ok(warnings.collect())
    }
}

evidence_routes! {
    Enrollment, "enrollments", one "an enrollment", many "enrollments";
    "/enrollments": list_enrollments, create_enrollment;
    "/enrollments/by-key": put_enrollment_by_key;
    "/enrollments/{id}": get_enrollment, change_enrollment;
    "/enrollments/{id}/retract": retract_enrollment;
    "/enrollments/{id}/restore": restore_enrollment;
    "/enrollments/{id}/versions": list_enrollment_versions;
}
