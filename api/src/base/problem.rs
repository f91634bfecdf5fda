//! Problems (RFC 9457): the only place that knows status codes.

use std::fmt;
use std::io::{self, ErrorKind};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use schema::RepoError;
use scoring::Lang;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::fault::{Fault, WITHIN};
use crate::base::text::Text;

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $kind:ident => $slug:literal, $status:ident, $ja:literal, $en:literal;)*) => {
        /// A kind of problem. Its slug is public and never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ProblemKind { $($(#[$doc])* $kind,)* }

        impl ProblemKind {
            /// All kinds, as `docs/problems.md` lists them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind,)*];

            pub(crate) const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            pub(crate) const fn title(self, lang: Lang) -> &'static str {
                match (self, lang) { $((Self::$kind, Lang::Ja) => $ja, (Self::$kind, Lang::En) => $en,)* }
            }
        }
    };
}

problem_kinds! {
    InvalidRequest => "invalid-request", BAD_REQUEST, "リクエストの形式が正しくありません", "The request is malformed";
    InvalidParameters => "invalid-parameters", BAD_REQUEST, "パラメーターが正しくありません", "Parameters are invalid";
    MalformedBody => "malformed-body", BAD_REQUEST, "本文を読み取れません", "The body cannot be parsed";
    InvalidToken => "invalid-token", UNAUTHORIZED, "有効なトークンが必要です", "A valid token is needed";
    RoleTooLow => "role-too-low", FORBIDDEN, "このロールではできません", "The token's role does not allow this";
    NoSuchPath => "no-such-path", NOT_FOUND, "このパスはありません", "There is no such path";
    NotScored => "not-scored", NOT_FOUND, "スコアがありません", "There is no score";
    NotFound => "not-found", NOT_FOUND, "見つかりません", "Not found";
    MethodNotAllowed => "method-not-allowed", METHOD_NOT_ALLOWED, "このメソッドは使えません", "The method is not allowed here";
    SlowRequest => "slow-request", REQUEST_TIMEOUT, "本文の到着が遅すぎます", "The body arrived too slowly";
    KeyTaken => "key-taken", CONFLICT, "同じキーの記録があります", "The key is taken";
    StillReferred => "still-referred", CONFLICT, "ほかの記録から参照されています", "Other records refer to it";
    WrongState => "wrong-state", CONFLICT, "今の状態ではできません", "Its state does not allow this";
    StaleVersion => "stale-version", PRECONDITION_FAILED, "ほかの変更が先に行われました", "The resource has changed";
    AddressTooLong => "address-too-long", URI_TOO_LONG, "アドレスが長すぎます", "The address is too long";
    HeadTooLarge => "head-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "リクエストの見出しが大きすぎます", "The headers of the request are too large";
    BodyTooLarge => "body-too-large", PAYLOAD_TOO_LARGE, "本文が大きすぎます", "The body is too large";
    UnsupportedMediaType => "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "この形式は受け取れません", "The media type is not supported";
    InvalidBody => "invalid-body", UNPROCESSABLE_ENTITY, "本文の内容が正しくありません", "The body breaks the rules";
    PreconditionRequired => "precondition-required", PRECONDITION_REQUIRED, "If-Match が必要です", "If-Match is required";
    TooManyJobs => "too-many-jobs", TOO_MANY_REQUESTS, "終わっていないジョブが多すぎます", "Too many jobs are open";
    TooManyRequests => "too-many-requests", TOO_MANY_REQUESTS, "同時のリクエストが多すぎます", "Too many requests at once";
    Internal => "internal", INTERNAL_SERVER_ERROR, "サービス内部の誤りです", "The service failed";
    Busy => "busy", SERVICE_UNAVAILABLE, "混み合っています", "The service is busy";
    ReadOnly => "read-only", SERVICE_UNAVAILABLE, "今は読み取りだけができます", "Only reading is possible now";
    InsufficientStorage => "insufficient-storage", INSUFFICIENT_STORAGE, "サービスのディスクに空きがありません", "The service's disk is full";
}

impl ProblemKind {
    /// Returns the kind for a bare status of the framework.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NoSuchPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::SlowRequest,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Busy,
            status if status.is_client_error() => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }

    /// Returns what to do, as far as the kind alone determines it.
    fn remedy(self) -> Text {
        match self {
            Self::NoSuchPath => {
                Text::new("パスは /openapi.json と /docs にあります", "/openapi.json and /docs list the paths")
            }
            Self::MethodNotAllowed => {
                Text::new("使えるメソッドは /docs にあります", "/docs lists the methods of each path")
            }
            Self::NotFound => Text::new(
                "この ID やコードの記録はありません。一覧で確かめてください",
                "nothing has this id or code; look it up in the list",
            ),
            Self::NotScored => Text::new(
                "まだ計算されていません。POST /v1/score-runs で始めるか、自動計算を待ってください",
                "nothing has been scored yet; start a run with POST /v1/score-runs, or wait for the automatic one",
            ),
            Self::Internal => Text::new(
                "記録にはこの request_id で残っています。管理者に伝えてください",
                "the log has the cause under this request_id; tell whoever runs the service",
            ),
            Self::Busy => {
                Text::new("少し待ってからもう一度送ってください", "wait a moment, then send the request again")
            }
            Self::ReadOnly => Text::new(
                "サービスのディスクに書き込めないため、何も変わっていません。管理者に伝え、直ってから送り直してください",
                "the service cannot write to its disk, and nothing has changed; tell whoever runs it, and send the request again later",
            ),
            Self::InsufficientStorage => Text::new(
                "サービスのディスクに空きがないため、何も変わっていません。管理者に伝え、空きができてから送り直してください",
                "the disk of the service is full, and nothing has changed; tell whoever runs it, and send the request again later",
            ),
            Self::TooManyRequests => Text::new(
                "前のリクエストの応答を受け取ってから送ってください",
                "read the answers to earlier requests before you send more",
            ),
            Self::AddressTooLong => Text::new(
                "アドレスは1行16KiBまでです。条件を減らすか、いくつかのリクエストに分けてください",
                "the first line of a request may have at most 16 KiB; use fewer parameters, or split the request",
            ),
            Self::HeadTooLarge => Text::new(
                "見出しは全部で64KiB、96個までです",
                "the head of a request may have at most 64 KiB and 96 headers",
            ),
            Self::RoleTooLow => Text::new(
                "必要なロールのトークンを管理者に求めてください",
                "ask an administrator for a token with the role that is needed",
            ),
            _ => Text::new("リクエストを直して送り直してください", "correct the request and send it again"),
        }
    }
}

/// The number of faults that an answer lists. The rest are only counted.
const SHOWN_FAULTS: usize = scoring::Faults::MAX_KEPT;
const _: () = assert!(SHOWN_FAULTS == 50, "the document of `errors` says so");

/// A problem of one request.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: ProblemKind,
    detail: Option<Text>,
    errors: Vec<PointedFault>,
    headers: Vec<(HeaderName, String)>,
}

/// A fault and its place: a JSON Pointer into the body, or the name of a parameter or header.
#[derive(Debug)]
struct PointedFault {
    pointer: String,
    fault: Fault,
}

impl Problem {
    pub(crate) fn detail(mut self, ja: impl Into<String>, en: impl Into<String>) -> Self {
        self.detail = Some(Text::new(ja, en));
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status()
    }

    pub(crate) fn is(&self, kind: ProblemKind) -> bool {
        self.kind == kind
    }

    /// Returns a problem with faults in the query string.
    pub(crate) fn parameters(faults: Vec<Fault>) -> Self {
        let errors = faults.into_iter().map(|fault| PointedFault { pointer: fault.field.clone(), fault }).collect();
        Self { errors, ..ProblemKind::InvalidParameters.into() }
    }

    /// Returns a problem with faults in the body.
    pub(crate) fn body(faults: Vec<Fault>) -> Self {
        let pointer = |fault: &Fault| match fault.field.as_str() {
            "" => "#".to_owned(),
            // RFC 6901 escapes ~ and / in names.
            name => format!("#/{}", name.replace('~', "~0").replace('/', "~1").replace(WITHIN, "/")),
        };
        let errors = faults.into_iter().map(|fault| PointedFault { pointer: pointer(&fault), fault }).collect();
        Self { errors, ..ProblemKind::InvalidBody.into() }
    }

    /// Changes the kind and keeps the faults.
    pub(crate) fn of_kind(self, kind: ProblemKind) -> Self {
        Self { kind, ..self }
    }

    /// Returns the answer, with texts in the language of the request.
    pub(crate) fn answer(&self, lang: Lang, path: &str, request_id: &str) -> HttpResponse {
        let remedy = self.kind.remedy();
        let detail = match (&self.detail, self.errors.len()) {
            (Some(detail), _) => detail.pick(lang).to_owned(),
            (None, 0) => remedy.pick(lang).to_owned(),
            (None, count) if count <= SHOWN_FAULTS => lang.pick(
                format!("誤りが{count}件あります。errors のそれぞれを直してください"),
                format!("faults: {count}; correct every entry of errors"),
            ),
            (None, count) => {
                let count = scoring::grouped(count as f64);
                lang.pick(
                    format!("誤りが{count}件あります。errors にあるのは最初の{SHOWN_FAULTS}件です"),
                    format!("faults: {count}; errors lists the first {SHOWN_FAULTS}"),
                )
            }
        };
        let errors = self.errors.iter().take(SHOWN_FAULTS).map(|error| FaultView {
            pointer: &error.pointer,
            code: error.fault.reason.code(),
            detail: error.fault.reason.detail().pick(lang).to_owned(),
        });
        let view = ProblemView {
            r#type: format!("urn:sonae:problem:{}", self.kind.slug()),
            title: self.kind.title(lang),
            status: self.kind.status().as_u16(),
            detail,
            instance: path,
            code: self.kind.slug(),
            request_id,
            error_count: self.errors.len(),
            errors: errors.collect(),
        };
        let mut response = HttpResponseBuilder::new(self.kind.status());
        response
            .content_type("application/problem+json")
            .insert_header((header::CONTENT_LANGUAGE, lang.pick("ja", "en")));
        match self.kind {
            ProblemKind::InvalidToken => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            ProblemKind::Busy | ProblemKind::TooManyJobs | ProblemKind::TooManyRequests => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            // Somebody must intervene first.
            ProblemKind::ReadOnly | ProblemKind::InsufficientStorage => {
                response.insert_header((header::RETRY_AFTER, "60"));
            }
            _ => {}
        }
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.json(view)
    }
}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), headers: Vec::new() }
    }
}

/// A problem (RFC 9457). `title` and `detail` are Japanese, or English if Accept-Language prefers it.
/// ja: エラーの内容（RFC 9457）。`title` と `detail` は日本語。Accept-Language で英語を優先すれば英語
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView<'a> {
    /// The URI of the kind of problem.
    /// ja: エラーの種類を表すURI
    #[schema(example = "urn:sonae:problem:invalid-body")]
    r#type: String,
    /// The kind of problem in words.
    /// ja: エラーの種類の説明
    #[schema(example = "The body breaks the rules")]
    title: &'a str,
    /// The HTTP status code.
    /// ja: HTTPステータスコード
    #[schema(example = 422)]
    status: u16,
    /// What is wrong with this request and what to do.
    /// ja: このリクエストの問題点と対処方法
    #[schema(example = "faults: 1; fix each of errors")]
    detail: String,
    /// The path of the request.
    /// ja: リクエストのパス
    #[schema(example = "/v1/suppliers")]
    instance: &'a str,
    /// The stable code of the kind of problem.
    /// ja: エラーの種類を表すコード（変わらない）
    #[schema(example = "invalid-body")]
    code: &'a str,
    /// The id of the request. The log of the service has it too.
    /// ja: リクエストのID。サービスのログにも残る
    #[schema(format = Uuid, example = "01999999-9999-7999-8999-999999999999")]
    request_id: &'a str,
    /// The number of all faults, including those that `errors` does not list.
    /// ja: 誤りの総数（`errors` にないものを含む）
    #[schema(example = 1)]
    error_count: usize,
    /// The faults of the request, the first 50 at most.
    /// ja: リクエストの誤り（最初の50件まで）
    #[schema(max_items = 50)]
    errors: Vec<FaultView<'a>>,
}

/// A fault of a request.
/// ja: リクエストの誤り1件
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
struct FaultView<'a> {
    /// The place of the fault: a JSON Pointer into the body, or the name of the parameter or header.
    /// ja: 誤りの場所。本文では JSON Pointer、それ以外ではパラメーターやヘッダーの名前
    #[schema(example = "#/name")]
    pointer: &'a str,
    /// The stable code, one of those in `docs/problems.md`.
    /// ja: 誤りの種類を表すコード（一覧は `docs/problems.md`）
    #[schema(example = "missing-value")]
    code: &'a str,
    /// What is wrong and what to do.
    /// ja: 誤りの内容と対処方法
    #[schema(example = "a required value is empty; fill it in")]
    detail: String,
}

/// Why a request fails.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request is at fault. Boxed, because it is rare and large.
    Problem(Box<Problem>),
    /// The service is at fault. The cause goes to the log and not to the client.
    Internal(Box<dyn std::error::Error + Send + Sync>),
    /// The database is busy.
    Busy(RepoError),
    /// The disk is full or takes no writes.
    Disk(RepoError),
}

impl ApiError {
    /// Returns an error that is not the caller's fault. A full or read-only disk gets its own variant.
    pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        match disk_fault(&*error) {
            Some(ErrorKind::ReadOnlyFilesystem) => Self::Disk(RepoError::Unwritable(error)),
            Some(_) => Self::Disk(RepoError::Full(error)),
            None => Self::Internal(error),
        }
    }

    /// Returns the problem as the client sees it.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Internal(_) | Self::Busy(_) | Self::Disk(_) => None,
        }
    }

    pub(crate) fn kind(&self) -> ProblemKind {
        match self {
            Self::Problem(problem) => problem.kind,
            Self::Internal(_) => ProblemKind::Internal,
            Self::Busy(_) => ProblemKind::Busy,
            Self::Disk(RepoError::Full(_)) => ProblemKind::InsufficientStorage,
            Self::Disk(_) => ProblemKind::ReadOnly,
        }
    }
}

/// Returns what an error or one of its causes says about the disk.
fn disk_fault(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if let Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem) = kind {
            return kind;
        }
        next = error.source();
    }
    None
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<ProblemKind> for ApiError {
    fn from(kind: ProblemKind) -> Self {
        Problem::from(kind).into()
    }
}

impl From<RepoError> for ApiError {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::Busy(_) => Self::Busy(error),
            RepoError::Full(_) | RepoError::Unwritable(_) => Self::Disk(error),
            RepoError::Duplicate(_) => ProblemKind::KeyTaken.into(),
            RepoError::Reference(_) => ProblemKind::StillReferred.into(),
            RepoError::TakenOver | RepoError::Unusable(_) | RepoError::Unfit(_) | RepoError::Failed(_) => {
                Self::internal(error)
            }
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => out.write_str(problem.kind.slug()),
            Self::Internal(error) => error.fmt(out),
            Self::Busy(error) | Self::Disk(error) => error.fmt(out),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.kind().status()
    }

    /// Returns only the status. The edge writes the body, in the language of the request.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
