//! Closed sets of values, with the Japanese word for each.

use diesel::backend::Backend;
use diesel::deserialize::FromSqlRow;
use diesel::deserialize::{self, FromSql};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ValueError;

/// A closed set of values, with their names.
pub trait Choice: Copy + PartialEq + Sized + 'static {
    /// Each value with its key, as in files and JSON, and its Japanese word.
    const ALL: &'static [(Self, &'static str, &'static str)];

    /// Returns the key of this value.
    fn key(self) -> &'static str {
        Self::ALL.iter().find(|(value, ..)| *value == self).map_or("", |(_, key, _)| key)
    }

    /// Returns the value of a key.
    ///
    /// # Errors
    /// [`ValueError::UnknownChoice`] if there is no such key.
    fn parse(key: &str) -> Result<Self, ValueError> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == key);
        found.map(|(value, ..)| *value).ok_or(ValueError::UnknownChoice)
    }
}

/// Returns the value of a stored key.
fn stored<C: Choice>(key: &str) -> deserialize::Result<C> {
    C::parse(key).map_err(|error| format!("{key:?}: {error}").into())
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $key:literal / $ja:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Text)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl Choice for $name {
            const ALL: &'static [(Self, &'static str, &'static str)] = &[$((Self::$value, $key, $ja),)*];
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.key())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::deserialize_parsed(deserializer, Self::parse)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::document::choice::<Self>()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.key().to_sql(out)
            }
        }

        // Implemented for each database, so as not to allocate a string for each of the millions of values that a run
        // reads.
        impl FromSql<Text, Sqlite> for $name {
            fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                stored(value.read_text())
            }
        }

        impl FromSql<Text, Pg> for $name {
            fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
                stored(str::from_utf8(value.as_bytes())?)
            }
        }
    )*};
}

choices! {
    /// What data of the buyer a supplier holds.
    DataAccess {
        /// None.
        None = "none" / "なし",
        /// Internal data.
        Internal = "internal" / "社内情報",
        /// Confidential data.
        Confidential = "confidential" / "機密情報",
    }
    /// How a supplier is connected to the buyer's network.
    NetworkAccess {
        /// Not at all.
        None = "none" / "なし",
        /// To a few systems.
        Limited = "limited" / "限定",
        /// With rights of an administrator or the like.
        Privileged = "privileged" / "特権",
    }
    /// What happens downstream when a supply stops.
    Criticality {
        /// Production stops.
        StopsLine = "stops_line" / "ライン停止",
        /// Production is impaired.
        Degrades = "degrades" / "影響あり",
        /// Little happens.
        Routine = "routine" / "通常",
    }
    /// How many others could supply the same.
    Substitutability {
        /// Nobody.
        Sole = "sole" / "1社のみ",
        /// A few, or only after some time.
        Limited = "limited" / "限定的",
        /// Several, at once.
        Multiple = "multiple" / "複数",
    }
    /// The class of an お助け隊 service.
    ServiceClass {
        /// 1類.
        Class1 = "class_1" / "1類",
        /// 2類.
        Class2 = "class_2" / "2類",
        /// 新類型.
        NewType = "new_type" / "新類型",
    }
    /// What an お助け隊 service watches.
    Monitoring {
        /// The network.
        Network = "network" / "ネットワーク",
        /// The endpoints.
        Endpoint = "endpoint" / "端末",
        /// Both.
        Combined = "combined" / "併用",
    }
    /// A scheme of declarations or certificates.
    Scheme {
        /// SECURITY ACTION ★1.
        SecurityAction1 = "security_action_1" / "SECURITY ACTION ★1",
        /// SECURITY ACTION ★2.
        SecurityAction2 = "security_action_2" / "SECURITY ACTION ★2",
        /// SCS ★3.
        Scs3 = "scs_3" / "SCS ★3",
        /// SCS ★4.
        Scs4 = "scs_4" / "SCS ★4",
        /// SCS ★5.
        Scs5 = "scs_5" / "SCS ★5",
        /// ISMS (ISO/IEC 27001).
        Isms = "isms" / "ISMS",
    }
    /// A single control, or the self-assessment of all of them.
    Control {
        /// Multi-factor authentication.
        Mfa = "mfa" / "多要素認証",
        /// Severe flaws fixed within 14 days.
        Patching = "patching" / "重大な脆弱性の14日以内の修正",
        /// A secure baseline configuration.
        Hardening = "hardening" / "安全な基本設定の一律適用",
        /// Services for remote entry that are current, or not reachable.
        RemoteAccess = "remote_access" / "外部接続口の最新化",
        /// Endpoint detection and response.
        Edr = "edr" / "EDR",
        /// Backups off line, and a tested restore.
        Backup = "backup" / "隔離したバックアップと復元試験",
        /// The total of IPA's 25 questions.
        SelfAssessment = "self_assessment" / "自社診断",
    }
    /// Whether a control is in place.
    ControlStatus {
        /// Everywhere.
        Met = "met" / "実施",
        /// Not, or only in part.
        NotMet = "not_met" / "未実施",
    }
    /// Who says so.
    Assurance {
        /// The supplier itself.
        SelfReported = "self_reported" / "自己申告",
        /// An IT or お助け隊 provider looked.
        VerifiedByProvider = "verified_by_provider" / "事業者が確認",
        /// An auditor or a registered specialist looked.
        VerifiedByThirdParty = "verified_by_third_party" / "第三者が確認",
    }
    /// The outcome of an attack.
    Outcome {
        /// Kept out.
        Blocked = "blocked" / "遮断",
        /// Got in, and was stopped before it did harm.
        Contained = "contained" / "封じ込め",
        /// Did harm.
        Harmful = "harmful" / "実害",
    }
    /// The kind of an incident.
    IncidentCategory {
        /// ランサムウェア.
        Ransomware = "ransomware" / "ランサムウェア",
        /// Other malware.
        Malware = "malware" / "マルウェア",
        /// 不正アクセス.
        UnauthorizedAccess = "unauthorized_access" / "不正アクセス",
        /// ビジネスメール詐欺.
        BusinessEmailCompromise = "business_email_compromise" / "ビジネスメール詐欺",
        /// 不審なアクセス.
        SuspiciousAccess = "suspicious_access" / "不審なアクセス",
        /// Any other.
        Other = "other" / "その他",
    }
    /// What a token may do.
    Role {
        /// Reads suppliers, evidence, scores and the portfolio.
        Viewer = "viewer" / "閲覧者",
        /// A viewer who looks up, exports and imports: the purchasing system.
        Integrator = "integrator" / "連携システム",
        /// An integrator who changes suppliers and evidence, and starts runs.
        Analyst = "analyst" / "分析担当",
        /// An analyst who sets things up: settings, tokens, assignments.
        Admin = "admin" / "管理者",
        /// Reads everything, changes nothing.
        Auditor = "auditor" / "監査人",
        /// Sends evidence for the suppliers assigned to it.
        Provider = "provider" / "お助け隊事業者",
        /// Reads what concerns itself.
        Supplier = "supplier" / "取引先",
    }
    /// The kind of records in an imported file.
    RecordKind {
        /// Suppliers.
        Suppliers = "suppliers" / "取引先",
        /// Further codes of suppliers.
        SupplierCodes = "supplier_codes" / "取引先コード対応",
        /// Who supplies whom.
        Relationships = "relationships" / "取引関係",
        /// お助け隊 enrollments.
        Enrollments = "enrollments" / "お助け隊加入",
        /// Certifications: SECURITY ACTION, SCS, ISMS.
        Certifications = "certifications" / "宣言・認証",
        /// What somebody found out about single controls.
        Assessments = "assessments" / "対策の確認",
        /// Incidents.
        Incidents = "incidents" / "事案",
        /// Which provider may send evidence for which supplier.
        ProviderAssignments = "provider_assignments" / "事業者の担当",
    }
    /// What an import does with its good rows if it has bad ones, and with records that are missing from the file.
    ImportMode {
        /// Either all rows are imported or none.
        AllOrNothing = "all_or_nothing" / "全件または取り込みなし",
        /// Good rows are imported, bad ones reported.
        AcceptValid = "accept_valid" / "正しい行だけ",
        /// Like `all_or_nothing`. Also ends records that the source sent before and does not send now.
        Replace = "replace" / "置き換え",
    }
    /// What a job does.
    JobKind {
        /// Imports a file.
        Import = "import" / "取り込み",
        /// Scores the portfolio.
        ScoreRun = "score_run" / "スコア計算",
        /// Writes a file of scores.
        Export = "export" / "書き出し",
    }
    /// The state of a job.
    JobState {
        /// Waits for its turn.
        Queued = "queued" / "待機中",
        /// Running.
        Running = "running" / "実行中",
        /// Done.
        Succeeded = "succeeded" / "完了",
        /// Done, except for rows that were rejected.
        PartiallySucceeded = "partially_succeeded" / "一部完了",
        /// Ended without effect.
        Failed = "failed" / "失敗",
        /// Ended without effect, on request.
        Cancelled = "cancelled" / "取り消し",
    }
}
