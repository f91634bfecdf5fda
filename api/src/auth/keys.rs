//! The built-in issuer: ES256 keys in the data folder, tokens signed and verified with them.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::TimeDelta;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schema::tokens::TokenRow;
use schema::{Choice, Instant, Role, TenantId, TokenId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::service::private_file;

/// How long a token is good where nothing else is asked for.
pub(crate) const USUAL_LIFE: TimeDelta = TimeDelta::hours(12);
/// The longest that a token may be good.
pub(crate) const LONGEST_LIFE: TimeDelta = TimeDelta::days(90);

const ISSUER: &str = "sonae";
const AUDIENCE: &str = "sonae";
const TYPE: &str = "at+jwt";
const LONGEST_TOKEN: usize = 8 * 1024;

/// The keys of an installation. The latest one signs, all verify.
pub(crate) struct Keys {
    signing: (String, EncodingKey),
    verifying: HashMap<String, DecodingKey>,
    public_set: String,
    cursor: aws_lc_rs::hmac::Key,
}

/// What a good token says.
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
}

/// Why a token is refused, in both languages.
pub(super) type Refusal = (&'static str, &'static str);

const NOT_GOOD: Refusal = (
    "トークンが正しくありません。欠けずに写したか確かめ、なければ sonae token create で発行してください",
    "the token is not valid; check that it was copied whole, or make one with `sonae token create`",
);

pub(super) const EXPIRED: Refusal = (
    "トークンの期限が切れています（既定で12時間）。sonae token create で新しいトークンを発行してください",
    "the token has expired (after 12 hours by default); make a new one with `sonae token create`",
);

impl Keys {
    /// Reads the keys of a data folder, and makes the first one where there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("keys");
        private_folder(&folder)?;
        // Two processes that begin together must not make a key each: the one would not know the other's.
        let lock = private_file().create(true).truncate(false).open(folder.join(".lock"))?;
        lock.lock()?;
        let mut keys = read_keys(&folder)?;
        if keys.is_empty() {
            make_key(&folder)?;
            keys = read_keys(&folder)?;
        }
        drop(lock);
        Self::checked(keys)
    }

    /// Reads the keys of a data folder on a disk that takes no writes.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        Self::checked(read_keys(&folder.join("keys"))?)
    }

    fn checked(mut keys: Vec<(String, Vec<u8>)>) -> io::Result<Self> {
        keys.sort();
        Self::of(keys).and_then(|keys| keys.proved())
    }

    fn of(keys: Vec<(String, Vec<u8>)>) -> io::Result<Self> {
        let (mut verifying, mut public) = (HashMap::new(), Vec::new());
        let mut signing = None;
        for (kid, der) in keys {
            let key = EncodingKey::from_ec_der(&der);
            let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(io::Error::other)?;
            jwk.common.key_id = Some(kid.clone());
            jwk.common.public_key_use = Some(PublicKeyUse::Signature);
            verifying.insert(kid.clone(), DecodingKey::from_jwk(&jwk).map_err(io::Error::other)?);
            public.push(jwk);
            let cursor = Sha256::new().chain_update(b"sonae cursor\0").chain_update(&der).finalize();
            signing = Some((kid, key, aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &cursor)));
        }
        let (kid, key, cursor) = signing.ok_or_else(|| io::Error::other("no key"))?;
        let public_set = serde_json::to_string(&JwkSet { keys: public })?;
        Ok(Self { signing: (kid, key), verifying, public_set, cursor })
    }

    /// Signs and verifies once: a build without a provider for the signatures would fail at the first request.
    fn proved(self) -> io::Result<Self> {
        let now = Instant::now();
        let token = TokenRow {
            id: TokenId::new(),
            name: schema::Name::parse("self-test").map_err(io::Error::other)?,
            role: Role::Viewer,
            provider_name: None,
            supplier_id: None,
            issued_at: now,
            expires_at: now.after(TimeDelta::minutes(1)),
            revoked_at: None,
        };
        let signed = self.sign(TenantId::new(), &token).map_err(io::Error::other)?;
        match self.verify(&signed) {
            Ok(claims) if claims.id == token.id => Ok(self),
            _ => Err(io::Error::other("tokens signed with the keys of the data folder do not verify")),
        }
    }

    /// The token itself, to be shown once.
    pub(crate) fn sign(&self, tenant: TenantId, token: &TokenRow) -> Result<String, jsonwebtoken::errors::Error> {
        let (kid, key) = &self.signing;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(kid.clone());
        let claims = RawClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: token.id.to_string(),
            jti: token.id.to_string(),
            tenant_id: tenant.to_string(),
            role: token.role.key().to_owned(),
            iat: token.issued_at.unix_seconds(),
            exp: token.expires_at.unix_seconds(),
        };
        jsonwebtoken::encode(&header, &claims, key)
    }

    /// What a token says, if its signature, times and shape are right. Whether it was revoked is not asked here.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > LONGEST_TOKEN {
            return Err(NOT_GOOD);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| NOT_GOOD)?;
        // Keys come from our folder alone: jku, jwk, x5u and x5c of the header are never looked at.
        let kid = header.kid.filter(|kid| kid.len() <= 128).ok_or(NOT_GOOD)?;
        if header.alg != Algorithm::ES256 || header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
            return Err(NOT_GOOD);
        }
        let key = self.verifying.get(&kid).ok_or(NOT_GOOD)?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.validate_nbf = true;
        // The clock that issued a token is this one, or as good.
        rules.leeway = 0;
        let claims = jsonwebtoken::decode::<RawClaims>(token, key, &rules).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => EXPIRED,
            _ => NOT_GOOD,
        })?;
        let claims = claims.claims;
        let life = claims.exp.saturating_sub(claims.iat);
        let is_early = claims.iat > Instant::now().unix_seconds().saturating_add(60);
        if is_early || life > LONGEST_LIFE.num_seconds() {
            return Err(NOT_GOOD);
        }
        Ok(Claims {
            id: claims.jti.parse().map_err(|_| NOT_GOOD)?,
            tenant_id: claims.tenant_id.parse().map_err(|_| NOT_GOOD)?,
            role: Role::parse(&claims.role).map_err(|_| NOT_GOOD)?,
        })
    }

    /// The public keys, as a JSON Web Key Set.
    pub(crate) fn public_set(&self) -> String {
        self.public_set.clone()
    }

    /// The key that cursors are authenticated with.
    pub(crate) fn cursor(&self) -> &aws_lc_rs::hmac::Key {
        &self.cursor
    }
}

/// The keys in a folder: file name without its ending, and PKCS #8.
fn read_keys(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let (Some("p8"), Some(kid)) =
            (path.extension().and_then(|ending| ending.to_str()), path.file_stem().and_then(|stem| stem.to_str()))
        {
            keys.push((kid.to_owned(), fs::read(&path)?));
        }
    }
    Ok(keys)
}

fn make_key(folder: &Path) -> io::Result<()> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| io::Error::other("no key could be made"))?;
    // Whole or not at all, and readable by nobody else: a temporary file begins as such.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(key.as_ref())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(format!("{}.p8", uuid::Uuid::now_v7()))).map_err(|error| error.error)?;
    Ok(())
}

/// Makes a folder that nobody else can look into.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
