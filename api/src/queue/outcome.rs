//! Why jobs end before their work does, and what they say then.

use std::io;

use schema::{Choice, JobState};
use scoring::Lang;

use crate::base::problem::{ApiError, ProblemKind};
use crate::base::text::Text;

/// After how many attempts in a row that got no further than the one before a job is given up.
pub(crate) const MOST_STALLED: i32 = 10;

/// Why a job ended before its work did.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// Somebody asked for it.
    Cancelled,
    /// Its process ended in many attempts, of which none got further than the one before.
    GivenUp,
    /// A fault of ours.
    Panicked,
    /// Another process has begun it anew.
    TakenOver,
    /// The database was busy or away: it is begun again.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// What it was to work on does not allow it.
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
    /// It ends saying so: begun again at once, it would fill the disk again.
    fn disk_is_full() -> Self {
        Self::Refused(
            ProblemKind::InsufficientStorage.slug(),
            Text::new(
                "サービスのディスクに空きがなくなりました。何も変わっていません。管理者に伝え、空きができてからやり直してください",
                "the disk of the service became full; nothing has changed; tell whoever runs it, and try again when there is room",
            ),
        )
    }

    /// Why, for a person at the command line.
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

    /// Why, as the job keeps it: the stable code, and the text.
    pub(super) fn reason(&self) -> (&'static str, Text) {
        match self {
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
        }
    }
}

/// What became of an attempt at a job, as the metrics label it. `is_stopping` says whether the process was told to end.
pub(crate) fn label(outcome: &Result<JobState, Interrupted>, is_stopping: bool) -> &'static str {
    match outcome {
        // A file or data that cannot be taken is the matter of whoever sent it.
        Ok(JobState::Failed) | Err(Interrupted::Refused(..)) => "refused",
        Ok(state) => state.key(),
        Err(Interrupted::Unavailable(_)) => "interrupted",
        Err(Interrupted::Cancelled) if is_stopping => "interrupted",
        Err(Interrupted::Cancelled) => "cancelled",
        Err(Interrupted::TakenOver) => "taken_over",
        Err(Interrupted::GivenUp | Interrupted::Panicked | Interrupted::Failed(_)) => "failed",
    }
}
