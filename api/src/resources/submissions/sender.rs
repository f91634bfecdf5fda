//! The sender: a provider, its source, and which of the stored records are its own.

use schema::{Common, Id, Name, Source, Stored, Tx};

use crate::base::problem::{ApiError, ProblemKind};
use crate::base::today::Today;
use crate::http::auth::Provider;
use crate::providers::sources::{own_versions, source_of};
use crate::records::Resource;
use crate::resources::jobs::ImportRequest;

/// A provider that asks or sends.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) provider: Name,
    pub(crate) source: Source,
    pub(crate) today: Today,
}

impl Sender {
    pub(crate) fn new(provider: &Provider) -> Result<Self, ApiError> {
        let caller = &provider.0;
        let name = caller.provider_name.clone();
        let provider = name.ok_or_else(|| ApiError::internal("a provider's token without the provider"))?;
        Ok(Self { source: source_of(&provider).map_err(ApiError::internal)?, provider, today: caller.today() })
    }

    /// Selects what it has sent, including what it has retracted.
    pub(crate) fn sent(&self) -> Common {
        let source = Some(self.source.clone());
        Common { source, with_retracted: true, with_ended: true, ..Common::default() }
    }

    /// Returns whether it has requested an import.
    pub(crate) fn is_own(&self, import: &ImportRequest) -> bool {
        import.provider_name.as_ref() == Some(&self.provider)
    }

    /// Returns the current version of a record that it has sent, and the version that it knows.
    pub(crate) fn current<R: Resource>(&self, tx: &mut Tx, id: Id<R>) -> Result<(Stored<R>, Stored<R>), ApiError> {
        let found = R::find(tx, id, None)?.filter(|found| found.meta.source == self.source);
        let now = found.ok_or(ProblemKind::NotFound)?;
        let own = own_versions(tx, &self.provider, vec![now.clone()])?.pop().ok_or(ProblemKind::NotFound)?;
        Ok((now, own))
    }
}
