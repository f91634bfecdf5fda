//! Assessments: what somebody found out about single controls, such as MFA or tested backups.

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use schema::assessments::{Assessment, AssessmentFilter};
use schema::{Assurance, Control, ExternalId, Name, RecordKind, RepoError, Stored, Tx, tenants};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields};
use crate::base::today::Today;
use crate::records::{Key, Resource, evidence_routes, resource};

impl Resource for Assessment {
    const KIND: RecordKind = RecordKind::Assessments;
    const NAME: &'static str = "Assessment";
    const NAME_JA: &'static str = "対策の確認";
    const PATH: &'static str = "/v1/assessments";
    const HAS_EXTERNAL_ID: bool = true;
    const KEY_FIELD: &'static str = "external_id";

    resource! {
        Assessment {
            suppliers {
                supplier_id = "supplier_code" by supplier true:
                    ("取引先コード", "対策を確認した取引先のコード", "The code of the supplier that was assessed", "S0000001");
            }
            fields {
                control: (
                    "対策",
                    "多要素認証: 遠隔接続・管理者・重要なクラウドのすべて。重大な脆弱性の14日以内の修正: CVSS 7.0以上、全端末。安全な基本設定の一律適用: 要塞化をツールで確認。外部接続口の最新化: VPN装置等が最新でMFAあり、RDP非公開。EDR: 端末の90%以上。隔離したバックアップと復元試験: 12か月以内に試験。自社診断: IPAの25問",
                    "The control. mfa: on every remote way in, administrator account and important cloud service. patching: flaws of CVSS 7.0 or more fixed within 14 days everywhere. hardening: a secure baseline, checked by a tool. remote_access: supported, current and behind MFA, no RDP open. edr: on at least 90% of PCs and servers. backup: off line or unchangeable, and a restore tested within 12 months. self_assessment: IPA's 25 questions",
                    "mfa"
                );
                status: (
                    "実施状況",
                    "すべてで実施していれば実施、一部だけなら未実施。自社診断では空。不明なら記録しない",
                    "met if it is in place everywhere; not_met if it is missing or partial; empty for a self-assessment. Record nothing if it is not known",
                    "met"
                );
                total_score: (
                    "自社診断の合計点",
                    "IPAの自社診断25問の合計（−25〜100）。自社診断だけで使う",
                    "The total of IPA's 25 questions, -25 to 100; for a self-assessment only",
                    "72"
                );
                assessed_on: ("確認日", "回答または確認した日", "The day of the answer or the check", "\"2026-08-31\"");
                expires_on: ("有効期限", "有効な最後の日。空なら経過日数だけで効果が薄れる", "The last day on which it is valid; if omitted, it only ages", "\"2027-08-31\"");
                assurance: (
                    "確認者",
                    "自己申告（質問票の回答を含む）、事業者が確認、第三者（監査人・登録セキスペ等）が確認のいずれか",
                    "Who says so: self_reported (answers to questionnaires, too), verified_by_provider, or verified_by_third_party (an auditor or a registered specialist)",
                    "verified_by_provider"
                );
                assessor_name: ("確認した者の名称", "確認した事業者や監査人の名称", "The provider or auditor that looked", "事業者01");
                evidence_url: ("証跡のURL", "確認できるページのアドレス", "Where it can be checked", "https://example.jp/assessment");
            }
        }
    }

    const FILTERS: &'static [Field] = &[
        Field::of::<Assessment, _>(
            |row| &row.control,
            "control",
            ("対策", "この対策のもの", "Only this control", "mfa"),
        ),
        Field::of::<Assessment, _>(
            |row| &row.status,
            "status",
            ("実施状況", "この実施状況のもの", "Only this status", "not_met"),
        ),
        Field::of::<Assessment, _>(
            |row| &row.assurance,
            "assurance",
            ("確認者", "この確認者のもの", "Only this assurance", "self_reported"),
        ),
        Field::of::<Assessment, _>(
            |row| &row.assessed_on,
            "expires_before",
            ("期限", "この日より前に期限が切れるもの", "Expires before this day", "\"2026-12-31\""),
        ),
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<AssessmentFilter> {
        let control = fields.value("control", None);
        let status = fields.value("status", None);
        let assurance = fields.value("assurance", None);
        let expires_before = fields.value("expires_before", None);
        Some(AssessmentFilter {
            control: control?,
            status: status?,
            assurance: assurance?,
            expires_before: expires_before?,
        })
    }

    fn key(&self, external_id: Option<&ExternalId>) -> Option<Key> {
        external_id.map(|id| Key::Fixed(id.to_string()))
    }

    fn sent_by(&mut self, provider: &Name, faults: &mut Vec<Fault>) {
        if self.assurance == Assurance::VerifiedByThirdParty {
            faults.push(Fault::new("assurance", Reason::NotByProviders));
        }
        self.assessor_name = (self.assurance == Assurance::VerifiedByProvider).then(|| provider.clone());
    }

    fn check(&self, _today: Today, faults: &mut Vec<Fault>) {
        let mut fault = |field: &str, reason| faults.push(Fault::new(field, Reason::Model(reason)));
        match (self.control == Control::SelfAssessment, self.status, self.total_score) {
            (true, status, total) => {
                if status.is_some() {
                    fault("status", scoring::Reason::StatusOfSelfAssessment);
                }
                if total.is_none() {
                    fault("total_score", scoring::Reason::MissingTotal);
                }
            }
            (false, status, total) => {
                if status.is_none() {
                    fault("status", scoring::Reason::MissingStatus);
                }
                if total.is_some() {
                    fault("total_score", scoring::Reason::TotalOfControl);
                }
            }
        }
        if self.expires_on.is_some_and(|end| end < self.assessed_on) {
            fault("expires_on", scoring::Reason::ExpiresBeforeAssessment);
        }
    }

    fn warnings(tx: &mut Tx, rows: &[&Stored<Self>]) -> Result<Vec<Vec<Fault>>, RepoError> {
        let now = tx.moment();
        // A day before today in UTC is not in the future anywhere: the buyer's time zone is not needed.
        let mut today = now.day_in(Utc);
        if rows.iter().any(|stored| stored.attributes.assessed_on >= today) {
            let zone = tenants::find(tx)?.and_then(|tenant| tenant.time_zone.parse::<Tz>().ok());
            today = now.day_in(zone.unwrap_or(Tz::UTC));
        }
        let is_future = |day: NaiveDate| day > today;
        let warnings = rows.iter().map(|stored| {
            let future = is_future(stored.attributes.assessed_on);
            future.then(|| Fault::new("assessed_on", Reason::InTheFuture(today))).into_iter().collect()
        });
        Ok(warnings.collect())
    }
}

evidence_routes! {
    Assessment, "assessments", one "an assessment", many "assessments";
    "/assessments": list_assessments, create_assessment;
    "/assessments/by-key": put_assessment_by_key;
    "/assessments/{id}": get_assessment, change_assessment;
    "/assessments/{id}/retract": retract_assessment;
    "/assessments/{id}/restore": restore_assessment;
    "/assessments/{id}/versions": list_assessment_versions;
}
