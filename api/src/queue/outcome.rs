//! Why jobs end before their work does, and what they report then.

use std::io;

use schema::{Choice, JobState};
use scoring::Lang;
use serde::{Deserialize, Serialize};

use crate::base::problem::{ApiError, ProblemKind};
use crate::base::text::Text;

/// The number of attempts in a row without further progress after which a job is given up.
pub(crate) const MOST_STALLED: i32 = 10;

/// Why a job ended before its work did.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// Its cancellation was requested.
    Cancelled,
    /// Its process ended in many attempts, none of which got further than the one before.
    GivenUp,
    /// A bug in the service.
    Panicked,
    /// Another process has begun the job again.
    TakenOver,
    /// The database was busy or unreachable. The job begins again.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// Its input does not allow the work.
    Refused(&'static str, Text),
    /// The database or the disk failed.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<schema::RepoError> for Interrupted {
    fn from(error: schema::RepoError) -> Self {
        match error {
            schema::RepoError::TakenOver => Self::TakenOver,
            schema::RepoError::Busy(_) | schema::RepoError::Unwritable(_) => Self::Unavailable(error.into()),
            schema::RepoError::Full(_) => Self::disk_is_full(),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        ApiError::internal(error).into()
    }
}

impl From<ApiError> for Interrupted {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Internal(cause) => Self::Failed(cause),
            ApiError::Busy(cause) | ApiError::Disk(cause) => cause.into(),
            ApiError::Problem(problem) => Self::Failed(format!("{problem:?}").into()),
        }
    }
}

impl Interrupted {
    /// Ends the job with this message. If it began again at once, it would fill the disk again.
    fn disk_is_full() -> Self {
        Self::Refused(
            ProblemKind::InsufficientStorage.slug(),
            Text::new(
                "サービスのディスクに空きがなくなりました。何も変わっていません。管理者に伝え、空きができてからやり直してください",
                "the disk of the service became full; nothing has changed; tell whoever runs it, and try again when there is room",
            ),
        )
    }

    /// Returns the reason for a person at the command line.
    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            Self::Cancelled => lang.pick("取り消されました", "cancelled").to_owned(),
            Self::TakenOver | Self::GivenUp | Self::Panicked => {
                lang.pick("内部の誤りです", "an internal fault").to_owned()
            }
            Self::Refused(_, text) => text.pick(lang).to_owned(),
            Self::Unavailable(error) | Self::Failed(error) => crate::base::text::with_causes(&**error),
        }
    }

    /// Returns the reason as the job stores it.
    pub(super) fn failure(&self) -> StoredFailure {
        let (code, detail) = match self {
            Self::Cancelled => {
                ("cancelled", Text::new("取り消されました。何も変わっていません", "cancelled; nothing has changed"))
            }
            Self::Refused(code, detail) => (*code, detail.clone()),
            Self::GivenUp => (
                "given-up",
                Text::new(
                    format!(
                        "サービスがこのジョブの途中で続けて{MOST_STALLED}回止まり、やり直しても先に進みませんでした。\
                         何も変わっていません。もう一度始める前に、管理者に伝えてください"
                    ),
                    format!(
                        "the service ended during this job {MOST_STALLED} times in a row, and no attempt got further than \
                         the one before; nothing has changed; tell whoever runs it before you start the job again"
                    ),
                ),
            ),
            Self::TakenOver | Self::Panicked | Self::Unavailable(_) | Self::Failed(_) => (
                "internal",
                Text::new(
                    "サービス内部の誤りで終わりました。何も変わっていません。管理者に伝えてください",
                    "the service failed; nothing has changed; tell whoever runs it",
                ),
            ),
        };
        StoredFailure::new(code, detail)
    }
}

/// What every kind of job stores in its result. Kinds may store more.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredResult {
    pub(crate) failure: Option<StoredFailure>,
}

/// Why a job ended without effect, as it stores it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredFailure {
    /// The stable code of the reason.
    pub(crate) code: String,
    detail_ja: String,
    detail_en: String,
}

impl StoredFailure {
    pub(crate) fn new(code: &str, detail: Text) -> Self {
        Self { code: code.to_owned(), detail_ja: detail.ja, detail_en: detail.en }
    }

    /// Returns what was wrong and what to do.
    pub(crate) fn detail(&self, lang: Lang) -> &str {
        lang.pick(&self.detail_ja, &self.detail_en)
    }
}

/// Returns the outcome of an attempt at a job as a label of the metrics. `is_stopping` says whether the process was
/// told to end.
pub(crate) fn label(outcome: &Result<JobState, Interrupted>, is_stopping: bool) -> &'static str {
    match outcome {
        // A file or data that cannot be accepted is the sender's problem.
        Ok(JobState::Failed) | Err(Interrupted::Refused(..)) => "refused",
        Ok(state) => state.key(),
        Err(Interrupted::Unavailable(_)) => "interrupted",
        Err(Interrupted::Cancelled) if is_stopping => "interrupted",
        Err(Interrupted::Cancelled) => "cancelled",
        Err(Interrupted::TakenOver) => "taken_over",
        Err(Interrupted::GivenUp | Interrupted::Panicked | Interrupted::Failed(_)) => "failed",
    }
}
