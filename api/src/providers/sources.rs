//! The source of what a provider sends, and which versions of a record are the provider's own.

use std::collections::HashMap;

use schema::{Id, Name, Record, RepoError, Source, Stored, Tx, ValueError, tokens};
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use crate::base::text::short_hash;

/// The number of hash digits that distinguish two names which do not fit into a source.
const HASH_DIGITS: usize = 16;

/// Returns the source of what a provider sends. Each name has a different one.
///
/// It is `provider:` and the name. A source has at most 64 characters, in normalised width. A name that does not fit is
/// replaced by its beginning, a `#` and a hash; no name that fits contains a `#`.
pub(crate) fn source_of(provider: &Name) -> Result<Source, ValueError> {
    let name = provider.as_str();
    let plain = format!("{}{name}", Source::PROVIDER_PREFIX);
    let fits = is_nfkc(&plain) && !name.contains('#') && plain.chars().count() <= Source::MAX_LENGTH;
    if fits {
        return Source::parse(&plain);
    }
    let hash = short_hash(name.as_bytes(), HASH_DIGITS);
    let room = Source::MAX_LENGTH - Source::PROVIDER_PREFIX.len() - 1 - hash.len();
    let beginning: String = name.nfkc().take(room).collect();
    Source::parse(&format!("{}{beginning}#{hash}", Source::PROVIDER_PREFIX))
}

/// Returns the versions of records that a provider knows: the latest that one of its own tokens recorded. Later
/// corrections belong to the buyer.
pub(crate) fn own_versions<R: Record>(
    tx: &mut Tx,
    provider: &Name,
    rows: Vec<Stored<R>>,
) -> Result<Vec<Stored<R>>, RepoError> {
    let names = tokens::names_of_provider(tx, provider)?;
    let is_own = |version: &Stored<R>| names.contains(&version.meta.recorded.actor);
    let changed: Vec<Id<R>> = rows.iter().filter(|row| !is_own(row)).map(|row| row.meta.id).collect();
    let mut latest_own = HashMap::new();
    for version in R::versions(tx, &changed)?.into_iter().filter(is_own) {
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
            assert!(source.is_of_provider() && !sources[..place].contains(source), "{source}");
            assert_eq!(Source::parse(source.as_str()).as_ref(), Ok(source), "it can be asked for");
        }
        assert!(Source::parse("Ｐrovider：x").unwrap().is_of_provider());
        assert!(!Source::manual().is_of_provider());
    }
}
