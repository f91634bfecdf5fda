//! The built-in issuer: ES256 keys in the data folder, which sign and verify tokens.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{self, Duration};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::TimeDelta;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schema::tokens::TokenRow;
use schema::{Choice, Clock, Role, TenantId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::machine::{naming, private_file};

/// The default lifetime of a token.
pub(crate) const DEFAULT_TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(12);
/// The maximum lifetime of a token.
pub(crate) const MAX_TOKEN_LIFETIME: TimeDelta = TimeDelta::days(90);

const TOKEN_ISSUER: &str = "sonae";
const TOKEN_AUDIENCE: &str = "sonae";
const TOKEN_TYPE: &str = "at+jwt";
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How often a token with an unknown key may cause the folder to be read.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(1);

/// The keys of an installation, as last read from its folder.
pub(crate) struct Keys {
    folder: PathBuf,
    clock: Clock,
    set: RwLock<Arc<KeySet>>,
    /// When a token with an unknown key last caused the folder to be read.
    unknown_key_at: Mutex<Option<time::Instant>>,
}

/// The keys at one moment. The latest signs, all verify.
struct KeySet {
    signing: (String, EncodingKey),
    verifying: HashMap<String, DecodingKey>,
    public: Vec<PublicKey>,
    cursor: aws_lc_rs::hmac::Key,
}

/// The public half of a key: a point on the curve P-256.
#[derive(Clone)]
pub(crate) struct PublicKey {
    /// Its id, as in the header of a token.
    pub(crate) id: String,
    /// The coordinates of the point, base64url.
    pub(crate) x: String,
    pub(crate) y: String,
}

/// A key, as an operator sees it.
pub(crate) struct KeyFile {
    /// Its id, as in the header of a token.
    pub(crate) id: String,
    /// When it was made, if its id contains the time.
    pub(crate) made_at: Option<Timestamp>,
    /// The moment from which no token signed by it can be valid. `None` for the key that signs, or if the next key's id
    /// contains no time.
    pub(crate) unused_from: Option<Timestamp>,
    pub(crate) signs: bool,
}

/// Why a key was not retired.
pub(crate) enum NotRetired {
    Unknown,
    Signs,
    /// Tokens that it signed may be valid until then.
    InUse(Timestamp),
    Failed(io::Error),
}

/// The claims of a valid token.
pub(crate) struct Claims {
    pub(crate) id: TokenId,
    pub(crate) tenant_id: TenantId,
    pub(crate) role: Role,
}

#[derive(Serialize, Deserialize)]
struct RawClaims {
    iss: String,
    aud: String,
    sub: String,
    jti: String,
    tenant_id: String,
    role: String,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// Why a token is refused, in Japanese and English.
pub(crate) type Refusal = (&'static str, &'static str);

const INVALID_TOKEN: Refusal = (
    "トークンが正しくありません。欠けずに写したか確かめ、なければ sonae token create で発行してください",
    "the token is not valid; check that it was copied whole, or make one with `sonae token create`",
);

pub(crate) const EXPIRED_TOKEN: Refusal = (
    "トークンの期限が切れています（既定で12時間）。sonae token create で新しいトークンを発行してください",
    "the token has expired (after 12 hours by default); make a new one with `sonae token create`",
);

impl Keys {
    /// Reads the keys of a data folder, and makes the first one if there is none.
    pub(crate) fn open(folder: &Path, clock: &Clock) -> io::Result<Self> {
        let folder = folder.join("keys");
        private_folder(&folder).map_err(naming(&folder))?;
        // Two processes that start together must not make a key each, because neither would know the other's.
        let lock = lock(&folder)?;
        if key_ids(&folder)?.is_empty() {
            make_key(&folder, clock)?;
        }
        drop(lock);
        Self::in_folder(folder, clock)
    }

    /// Reads the keys of a data folder on a disk that takes no writes.
    pub(crate) fn read(folder: &Path, clock: &Clock) -> io::Result<Self> {
        Self::in_folder(folder.join("keys"), clock)
    }

    fn in_folder(folder: PathBuf, clock: &Clock) -> io::Result<Self> {
        let set = RwLock::new(Arc::new(KeySet::read(&folder, clock)?));
        Ok(Self { folder, clock: clock.clone(), set, unknown_key_at: Mutex::new(None) })
    }

    fn set(&self) -> Arc<KeySet> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder again if keys were added or removed. Returns whether they were.
    pub(crate) fn refresh(&self) -> io::Result<bool> {
        let ids = key_ids(&self.folder)?;
        let old = self.set();
        if ids.len() == old.verifying.len() && ids.iter().all(|id| old.verifying.contains_key(id)) {
            return Ok(false);
        }
        let new = KeySet::read(&self.folder, &self.clock)?;
        tracing::info!(signing_key = new.signing.0, keys = new.verifying.len(), "the keys have changed");
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(true)
    }

    /// Whether a token names an unknown key and the folder may be read for it now. The rate is limited, so that made-up
    /// tokens cannot keep the service busy.
    pub(crate) fn should_refresh_for(&self, token: &str) -> bool {
        let header = (token.len() <= MAX_TOKEN_BYTES).then(|| jsonwebtoken::decode_header(token).ok()).flatten();
        let Some(kid) = header.and_then(|header| header.kid) else { return false };
        if self.set().verifying.contains_key(&kid) {
            return false;
        }
        let mut at = self.unknown_key_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = at.is_none_or(|at| at.elapsed() >= UNKNOWN_KEY_INTERVAL);
        if is_due {
            *at = Some(time::Instant::now());
        }
        is_due
    }

    /// Returns the signed token, to be shown once.
    pub(crate) fn sign(&self, tenant: TenantId, token: &TokenRow) -> Result<String, jsonwebtoken::errors::Error> {
        self.set().sign(tenant, token)
    }

    /// Returns the claims of a token if its signature, times and form are valid. Whether it was revoked is not checked
    /// here.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        self.set().verify(token, self.clock.now())
    }

    /// Returns the public keys, oldest first.
    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        self.set().public.clone()
    }

    /// Returns the key that authenticates cursors.
    pub(crate) fn cursor(&self) -> aws_lc_rs::hmac::Key {
        self.set().cursor.clone()
    }
}

/// Returns the keys of a data folder, oldest first.
pub(crate) fn list_keys(folder: &Path) -> io::Result<Vec<KeyFile>> {
    let ids = key_ids(&folder.join("keys"))?;
    let made: Vec<_> = ids.iter().map(|id| made_at(id)).collect();
    // A key signs until the next one is made. What it signed last may be valid for the maximum lifetime of a token.
    let replaced = made.iter().skip(1).map(|next| next.map(|next| next.after(MAX_TOKEN_LIFETIME))).chain([None]);
    let last = ids.len().saturating_sub(1);
    let keys = ids.iter().zip(&made).zip(replaced).enumerate();
    Ok(keys
        .map(|(place, ((id, made_at), unused_from))| KeyFile {
            id: id.clone(),
            made_at: *made_at,
            unused_from,
            signs: place == last,
        })
        .collect())
}

/// Makes a key that signs from now on, and returns its id.
pub(crate) fn rotate_keys(folder: &Path, clock: &Clock) -> io::Result<String> {
    let folder = folder.join("keys");
    let _lock = lock(&folder)?;
    let last = key_ids(&folder)?.pop();
    let made = make_key(&folder, clock)?;
    match last {
        Some(last) if last >= made => {
            // The key with the latest id signs, so this one never would.
            fs::remove_file(key_path(&folder, &made))?;
            Err(io::Error::other(format!("the key {last} is of a later time than this machine's clock shows")))
        }
        _ => Ok(made),
    }
}

/// Removes a key that no longer signs, so that none of its tokens is valid. With `unused_at`, it does so only if all of
/// them have expired by then.
pub(crate) fn retire_key(folder: &Path, id: &str, unused_at: Option<Timestamp>) -> Result<(), NotRetired> {
    let keys = folder.join("keys");
    let _lock = lock(&keys).map_err(NotRetired::Failed)?;
    let all = list_keys(folder).map_err(NotRetired::Failed)?;
    let key = all.iter().find(|key| key.id == id).ok_or(NotRetired::Unknown)?;
    if key.signs {
        return Err(NotRetired::Signs);
    }
    // If the ids contain no time, it is unknown when the next key began to sign. It is treated as if that were now.
    if let Some(now) = unused_at {
        let unused_from = key.unused_from.unwrap_or_else(|| now.after(MAX_TOKEN_LIFETIME));
        if unused_from > now {
            return Err(NotRetired::InUse(unused_from));
        }
    }
    fs::remove_file(key_path(&keys, id)).map_err(NotRetired::Failed)
}

impl KeySet {
    fn read(folder: &Path, clock: &Clock) -> io::Result<Self> {
        let ids = key_ids(folder)?;
        let keys = ids.into_iter().map(|id| {
            let path = key_path(folder, &id);
            fs::read(&path).map(|der| (id, der)).map_err(naming(&path))
        });
        Self::of(keys.collect::<io::Result<_>>()?)?.proved(clock)
    }

    fn of(keys: Vec<(String, Vec<u8>)>) -> io::Result<Self> {
        let (mut verifying, mut public) = (HashMap::new(), Vec::new());
        let (mut signing, mut cursor) = (None, None);
        for (kid, der) in keys {
            let key = EncodingKey::from_ec_der(&der);
            let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(io::Error::other)?;
            verifying.insert(kid.clone(), DecodingKey::from_jwk(&jwk).map_err(io::Error::other)?);
            let AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                curve: EllipticCurve::P256, x, y, ..
            }) = jwk.algorithm
            else {
                return Err(io::Error::other("not a key of the curve P-256"));
            };
            public.push(PublicKey { id: kid.clone(), x, y });
            // The oldest key is used: processes learn of a new key at different moments, and that must not change
            // cursors.
            cursor.get_or_insert_with(|| {
                let digest = Sha256::new().chain_update(b"sonae cursor\0").chain_update(&der).finalize();
                aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &digest)
            });
            signing = Some((kid, key));
        }
        let (signing, cursor) = signing.zip(cursor).ok_or_else(|| io::Error::other("no key"))?;
        Ok(Self { signing, verifying, public, cursor })
    }

    /// Signs and verifies once. A build without a signature provider would otherwise fail only at the first request.
    fn proved(self, clock: &Clock) -> io::Result<Self> {
        let now = clock.now();
        let token = TokenRow {
            id: clock.id(),
            name: schema::Name::parse("self-test").map_err(io::Error::other)?,
            role: Role::Viewer,
            provider_name: None,
            supplier_id: None,
            issued_at: now,
            expires_at: now.after(TimeDelta::minutes(1)),
            revoked_at: None,
        };
        let signed = self.sign(clock.id(), &token).map_err(io::Error::other)?;
        match self.verify(&signed, now) {
            Ok(claims) if claims.id == token.id => Ok(self),
            _ => Err(io::Error::other("tokens signed with the keys of the data folder do not verify")),
        }
    }

    fn sign(&self, tenant: TenantId, token: &TokenRow) -> Result<String, jsonwebtoken::errors::Error> {
        let (kid, key) = &self.signing;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(kid.clone());
        let claims = RawClaims {
            iss: TOKEN_ISSUER.to_owned(),
            aud: TOKEN_AUDIENCE.to_owned(),
            sub: token.id.to_string(),
            jti: token.id.to_string(),
            tenant_id: tenant.to_string(),
            role: token.role.key().to_owned(),
            iat: token.issued_at.unix_seconds(),
            exp: token.expires_at.unix_seconds(),
            nbf: None,
        };
        jsonwebtoken::encode(&header, &claims, key)
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(INVALID_TOKEN);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| INVALID_TOKEN)?;
        // Keys come only from our folder: jku, jwk, x5u and x5c in the header are ignored.
        let kid = header.kid.filter(|kid| kid.len() <= 128).ok_or(INVALID_TOKEN)?;
        if header.alg != Algorithm::ES256 || header.typ.as_deref() != Some(TOKEN_TYPE) || header.crit.is_some() {
            return Err(INVALID_TOKEN);
        }
        let key = self.verifying.get(&kid).ok_or(INVALID_TOKEN)?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[TOKEN_ISSUER]);
        rules.set_audience(&[TOKEN_AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked below with our clock. This option would ask the machine for the time.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<RawClaims>(token, key, &rules).map_err(|_| INVALID_TOKEN)?.claims;
        // There is no leeway: the clock that issued a token is this one or as good.
        let now = now.unix_seconds();
        if claims.exp < now {
            return Err(EXPIRED_TOKEN);
        }
        let life = claims.exp.saturating_sub(claims.iat);
        let is_early = claims.nbf.is_some_and(|from| from > now) || claims.iat > now.saturating_add(60);
        if is_early || life > MAX_TOKEN_LIFETIME.num_seconds() {
            return Err(INVALID_TOKEN);
        }
        Ok(Claims {
            id: claims.jti.parse().map_err(|_| INVALID_TOKEN)?,
            tenant_id: claims.tenant_id.parse().map_err(|_| INVALID_TOKEN)?,
            role: Role::parse(&claims.role).map_err(|_| INVALID_TOKEN)?,
        })
    }
}

/// Locks the folder, so that only one process at a time adds or removes keys.
fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(".lock");
    let lock = private_file().create(true).truncate(false).open(&path).map_err(naming(&path))?;
    lock.lock()?;
    Ok(lock)
}

/// Returns the ids of the keys in a folder, in order. They are the file names without the extension.
fn key_ids(folder: &Path) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder).map_err(naming(folder))? {
        let path = entry?.path();
        if let (Some("p8"), Some(id)) =
            (path.extension().and_then(|ending| ending.to_str()), path.file_stem().and_then(|stem| stem.to_str()))
        {
            ids.push(id.to_owned());
        }
    }
    ids.sort();
    Ok(ids)
}

fn key_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.p8"))
}

/// Returns when a key was made: its id begins with the time.
fn made_at(id: &str) -> Option<Timestamp> {
    let (seconds, nanos) = uuid::Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    chrono::DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos).map(Timestamp::from)
}

/// Makes a key as PKCS #8, and returns its id.
fn make_key(folder: &Path, clock: &Clock) -> io::Result<String> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| io::Error::other("no key could be made"))?;
    // A temporary file is private from the start, and the rename makes the key appear completely or not at all.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(naming(folder))?;
    file.write_all(key.as_ref())?;
    file.as_file().sync_all()?;
    let id = clock.uuid().to_string();
    file.persist(key_path(folder, &id)).map_err(|error| error.error)?;
    // Without this, a crash could lose the file's name, and with it every token that the key has signed.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(id)
}

/// Creates a folder that nobody else can read.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
