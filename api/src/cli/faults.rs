//! Turns the failure of a command into words.

use std::error::Error;

use schema::ValueError;
use scoring::Lang;

use crate::app::ServeError;
use crate::base::fault::Reason;
use crate::base::store;
use crate::base::text::with_causes;

/// Returns why a step failed. The underlying causes are those of the database and the operating system, in their
/// language.
pub(super) fn step(error: &(dyn Error + 'static), lang: Lang) -> String {
    let Some(error) = error.downcast_ref::<ServeError>() else { return store::in_words(error, lang) };
    match (error, lang) {
        (ServeError::Store(error), _) => store::in_words(error, lang),
        (ServeError::DatabasePlace(error), _) => error.text(lang),
        (_, Lang::En) => with_causes(error),
        (ServeError::InUse, Lang::Ja) => "このデータフォルダーは別のプロセスが使っています".to_owned(),
        (ServeError::Hung, Lang::Ja) => {
            "データベースへの既存の接続がすべて応答しなくなりました（新しい接続は可能です）。再起動が必要なため、プロセスを終了します"
                .to_owned()
        }
        (ServeError::Listen(address, cause), Lang::Ja) => format!("{address} で待ち受けできません: {cause}"),
        (_, Lang::Ja) => with_causes(error),
    }
}

/// Returns an invalid name with the reason.
pub(super) fn name(name: &str, error: ValueError, lang: Lang) -> String {
    format!("{name}: {}", Reason::Value(error).detail().pick(lang))
}
