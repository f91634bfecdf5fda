//! Declarations and certificates: SECURITY ACTION, SCS, ISMS.

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use schema::certifications::{Certification, CertificationFilter};
use schema::{ExternalId, RecordKind, RepoError, Scheme, Stored, Tx, tenants};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields};
use crate::base::today::Today;
use crate::records::{Key, Resource, evidence_routes, resource};

/// Registration of SCS ★3 and ★4 does not open before this year.
const SCS_OPENING_YEAR: i32 = 2027;

impl Resource for Certification {
    const KIND: RecordKind = RecordKind::Certifications;
    const NAME: &'static str = "Certification";
    const NAME_JA: &'static str = "宣言・認証";
    const PATH: &'static str = "/v1/certifications";
    const HAS_EXTERNAL_ID: bool = true;
    const KEY_FIELD: &'static str = "external_id";

    resource! {
        Certification {
            suppliers {
                supplier_id = "supplier_code" by supplier true:
                    ("取引先コード", "宣言・認証を持つ取引先のコード", "The code of the supplier that holds it", "S0000001");
            }
            fields {
                scheme: ("制度", "SECURITY ACTION、SCS、ISMSのいずれか", "The scheme: SECURITY ACTION, SCS or ISMS", "security_action_2");
                issued_on: ("取得日", "宣言した日、または認証された日", "The day of the declaration, or on which the certificate was issued", "\"2025-07-27\"");
                expires_on: ("有効期限", "有効な最後の日。空なら制度の期間による", "The last day on which it is valid. If omitted, it follows from the scheme", "\"2027-07-26\"");
                scope: ("適用範囲", "対象となる組織や拠点", "The organization or sites that it covers", "本社および工場");
                evidence_url: ("証跡のURL", "確認できるページのアドレス", "The address of a page on which it can be checked", "https://example.jp/certificate");
            }
        }
    }

    const FILTERS: &'static [Field] = &[
        Field::of::<Certification, _>(
            |row| &row.scheme,
            "scheme",
            ("制度", "この制度の認証・自己宣言だけ", "Only this scheme", "isms"),
        ),
        Field::of::<Certification, _>(
            |row| &row.issued_on,
            "valid_on",
            (
                "有効日",
                "この日に有効なものだけ（取得済みで、期限内）",
                "Only certifications that were issued by this day and had not expired on it",
                "\"2026-09-30\"",
            ),
        ),
        Field::of::<Certification, _>(
            |row| &row.issued_on,
            "expires_before",
            (
                "期限",
                "この日より前に期限が切れるものだけ",
                "Only certifications that expire before this day",
                "\"2026-12-31\"",
            ),
        ),
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<CertificationFilter> {
        let scheme = fields.value("scheme", None);
        let valid_on = fields.value("valid_on", None);
        let expires_before = fields.value("expires_before", None);
        Some(CertificationFilter { scheme: scheme?, valid_on: valid_on?, expires_before: expires_before? })
    }

    fn key(&self, external_id: Option<&ExternalId>) -> Option<Key> {
        external_id.map(|id| Key::Fixed(id.to_string()))
    }

    fn check(&self, _today: Today, faults: &mut Vec<Fault>) {
        if self.expires_on.is_some_and(|end| end < self.issued_on) {
            faults.push(Fault::new("expires_on", Reason::Model(scoring::Reason::ExpiresBeforeIssue)));
        }
    }

    fn warnings(tx: &mut Tx, rows: &[&Stored<Self>]) -> Result<Vec<Vec<Fault>>, RepoError> {
        let opens = NaiveDate::from_ymd_opt(SCS_OPENING_YEAR, 1, 1).unwrap_or_default();
        let now = tx.moment();
        // A day before today in UTC is not in the future anywhere: the buyer's time zone is not needed.
        let mut today = now.day_in(Utc);
        if rows.iter().any(|stored| stored.attributes.issued_on >= today) {
            let zone = tenants::find(tx)?.and_then(|tenant| tenant.time_zone.parse::<Tz>().ok());
            today = now.day_in(zone.unwrap_or(Tz::UTC));
        }
        let warnings = rows.iter().map(|stored| {
            let (row, mut warnings) = (&stored.attributes, Vec::new());
            if matches!(row.scheme, Scheme::Scs3 | Scheme::Scs4) && row.issued_on < opens {
                warnings.push(Fault::new("issued_on", Reason::ScsNotOpen));
            }
            if row.issued_on > today {
                warnings.push(Fault::new("issued_on", Reason::InTheFuture(today)));
            }
            warnings
        });
        Ok(warnings.collect())
    }
}

evidence_routes! {
    Certification, "certifications", one "a certification", many "certifications";
    "/certifications": list_certifications, create_certification;
    "/certifications/by-key": put_certification_by_key;
    "/certifications/{id}": get_certification, change_certification;
    "/certifications/{id}/retract": retract_certification;
    "/certifications/{id}/restore": restore_certification;
    "/certifications/{id}/versions": list_certification_versions;
}
