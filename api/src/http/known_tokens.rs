//! Tokens that were found valid a moment ago. So, of many requests with one token, few check its signature and its row.
//!
//! A revoked token and the tokens of a suspended buyer are refused after at most one second, in every process. The
//! expiry of a token is checked with each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use schema::{Name, Role, SupplierId, TenantId, Timestamp, TokenId};
use sha2::{Digest, Sha256};

/// How long a token counts as valid after it was found so.
const TRUST_DURATION: Duration = Duration::from_secs(1);
/// The maximum number of tokens kept: more than send requests within a second.
const MAX_KNOWN_TOKENS: usize = 4096;

/// A token that was found valid.
pub(crate) struct KnownToken {
    pub(crate) tenant: TenantId,
    pub(crate) id: TokenId,
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) provider_name: Option<Name>,
    pub(crate) supplier_id: Option<SupplierId>,
    pub(crate) expires_at: Timestamp,
    pub(crate) time_zone: Tz,
    /// When the look-up began. A token that was revoked before that was not found.
    pub(crate) asked_at: Instant,
}

/// The tokens by their hashes. The tokens themselves are not stored.
#[derive(Default)]
pub(crate) struct KnownTokens(Mutex<HashMap<[u8; 32], Arc<KnownToken>>>);

impl KnownTokens {
    /// Returns a token that was found valid a moment ago.
    pub(crate) fn find(&self, token: &str, now: Instant) -> Option<Arc<KnownToken>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&hash(token)).filter(|known| known.is_fresh(now)).cloned()
    }

    /// Keeps a token that was found valid.
    pub(crate) fn keep(&self, token: &str, found: Arc<KnownToken>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN_TOKENS {
            let now = found.asked_at;
            known.retain(|_, known| known.is_fresh(now));
        }
        // If all are fresh, the token is not kept, and the database is queried more often.
        if known.len() < MAX_KNOWN_TOKENS {
            known.insert(hash(token), found);
        }
    }
}

impl KnownToken {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked_at) < TRUST_DURATION
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
