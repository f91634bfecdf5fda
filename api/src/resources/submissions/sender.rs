//! Who sends: a provider, the source that stands for it, and what of the stored records is its own.

use std::collections::HashMap;

use schema::{Common, Conn, Id, Name, Record, RepoError, Source, Stored, TenantId, Version, tokens};
use sha2::{Digest, Sha256};
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use crate::base::problem::{ApiError, ProblemKind};
use crate::base::today::Today;
use crate::http::auth::Provider;
use crate::records::Resource;
use crate::resources::imports::ImportRequest;

/// What the sources of providers begin with, and no other source does.
const PREFIX: &str = "provider:";
/// How many bytes of a hash tell two names apart that a source cannot hold as they are.
const HASHED: usize = 8;

/// A provider who asks or sends.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) provider: Name,
    pub(crate) source: Source,
    pub(crate) version: Version,
    pub(crate) today: Today,
}

/// Whether a source is that of a provider, or looks like one.
pub(crate) fn is_of_provider(source: &Source) -> bool {
    source.as_str().to_lowercase().starts_with(PREFIX)
}

/// The source of what a provider sends: another for each name.
///
/// `provider:` and the name. A source has 64 characters and one width: of a name that does not fit, the beginning and a
/// hash stand there, after a `#`, which no name that fits has.
fn source_of(provider: &Name) -> Result<Source, ApiError> {
    let name = provider.as_str();
    let plain = format!("{PREFIX}{name}");
    let fits = is_nfkc(&plain) && !name.contains('#') && plain.chars().count() <= Source::MAX_LENGTH;
    if fits {
        return Source::parse(&plain).map_err(ApiError::internal);
    }
    let hash: String = Sha256::digest(name.as_bytes()).iter().take(HASHED).map(|byte| format!("{byte:02x}")).collect();
    let room = Source::MAX_LENGTH - PREFIX.len() - 1 - hash.len();
    let beginning: String = name.nfkc().take(room).collect();
    Source::parse(&format!("{PREFIX}{beginning}#{hash}")).map_err(ApiError::internal)
}

impl Sender {
    pub(crate) fn new(provider: &Provider) -> Result<Self, ApiError> {
        let caller = &provider.0;
        let name = caller.provider_name.clone();
        let provider = name.ok_or_else(|| ApiError::internal("a provider's token without the provider"))?;
        Ok(Self { source: source_of(&provider)?, provider, version: caller.version(), today: caller.today() })
    }

    /// What it has sent, and has taken back.
    pub(crate) fn sent(&self) -> Common {
        let source = Some(self.source.clone());
        Common { source, with_retracted: true, with_ended: true, ..Common::default() }
    }

    /// Whether it is who asked for an import.
    pub(crate) fn is_own(&self, import: &ImportRequest) -> bool {
        import.provider_name.as_ref() == Some(&self.provider)
    }

    /// The current version of what it has sent, and the one that it knows.
    pub(crate) fn current<R: Resource>(
        &self,
        conn: &mut Conn,
        tenant: TenantId,
        id: Id<R>,
    ) -> Result<(Stored<R>, Stored<R>), ApiError> {
        let found = R::find(conn, tenant, id, None)?.filter(|found| found.meta.source == self.source);
        let now = found.ok_or(ProblemKind::NotFound)?;
        let own = own_versions(conn, tenant, &self.provider, vec![now.clone()])?.pop().ok_or(ProblemKind::NotFound)?;
        Ok((now, own))
    }
}

/// The versions of records that a provider knows: the latest that one of its own tokens recorded. What the buyer has
/// mended since is the buyer's.
pub(crate) fn own_versions<R: Record>(
    conn: &mut Conn,
    tenant: TenantId,
    provider: &Name,
    rows: Vec<Stored<R>>,
) -> Result<Vec<Stored<R>>, RepoError> {
    let names = tokens::names_of_provider(conn, tenant, provider)?;
    let is_own = |version: &Stored<R>| names.contains(&version.meta.recorded_by);
    let changed: Vec<Id<R>> = rows.iter().filter(|row| !is_own(row)).map(|row| row.meta.id).collect();
    let mut latest_own = HashMap::new();
    for version in R::versions(conn, tenant, &changed)?.into_iter().filter(is_own) {
        latest_own.entry(version.meta.id).or_insert(version);
    }
    let own = rows.into_iter().filter_map(|row| if is_own(&row) { Some(row) } else { latest_own.remove(&row.meta.id) });
    Ok(own.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_source_of_its_own() {
        let long = "あ".repeat(56);
        let sources: Vec<Source> = ["事業者01", "事業者０１", "a#b", "a", &long, &format!("{long}い"), "\u{a8}", "㈱#"]
            .iter()
            .map(|name| source_of(&Name::parse(name).unwrap()).unwrap())
            .collect();

        assert_eq!(sources[0].as_str(), "provider:事業者01");
        assert_eq!(sources[1].as_str().split('#').next(), Some("provider:事業者01"));
        for (place, source) in sources.iter().enumerate() {
            assert!(is_of_provider(source) && !sources[..place].contains(source), "{source}");
            assert_eq!(Source::parse(source.as_str()).as_ref(), Ok(source), "it can be asked for");
        }
        assert!(is_of_provider(&Source::parse("Ｐrovider：x").unwrap()));
        assert!(!is_of_provider(&Source::manual()));
    }
}
