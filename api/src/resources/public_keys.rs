//! The public keys that tokens are verified with.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::keys::PublicKey;
use crate::http::state::State;

/// A JSON Web Key Set.
/// ja: JSON Web Key Set（公開鍵の集まり）
#[derive(Serialize, ToSchema)]
#[schema(as = KeySet)]
struct KeySetView {
    /// The public keys. Older keys no longer sign, but verify tokens that are still valid.
    /// ja: 公開鍵。古い鍵は新しい署名には使わないが、有効なトークンの検証に使う
    keys: Vec<PublicKeyView>,
}

/// A public key.
/// ja: 公開鍵
#[derive(Serialize, ToSchema)]
#[schema(as = PublicKey)]
struct PublicKeyView {
    /// The type of the key.
    /// ja: 鍵の種類
    #[schema(example = "EC")]
    kty: &'static str,
    /// The elliptic curve.
    /// ja: 楕円曲線
    #[schema(example = "P-256")]
    crv: &'static str,
    /// The algorithm of the signatures.
    /// ja: 署名のアルゴリズム
    #[schema(example = "ES256")]
    alg: &'static str,
    /// The use of the key: `sig`, signatures.
    /// ja: 鍵の用途。`sig` は署名
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    key_use: &'static str,
    /// The id of the key, as in the header of a token.
    /// ja: 鍵のID。トークンのヘッダーにも入る
    #[schema(example = "01999999-9999-7999-8999-999999999999")]
    kid: String,
    /// The x coordinate of the point on the curve, base64url.
    /// ja: 曲線上の点のx座標（base64url）
    #[schema(example = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")]
    x: String,
    /// The y coordinate of the point on the curve, base64url.
    /// ja: 曲線上の点のy座標（base64url）
    #[schema(example = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")]
    y: String,
}

impl From<PublicKey> for PublicKeyView {
    fn from(key: PublicKey) -> Self {
        let PublicKey { id, x, y } = key;
        Self { kty: "EC", crv: "P-256", alg: "ES256", key_use: "sig", kid: id, x, y }
    }
}

/// Get the public keys
/// ja: 公開鍵を取得する
///
/// The public keys of the built-in issuer (ES256), as a JSON Web Key Set (RFC 7517). This needs no token.
/// ja: 内蔵の発行者の公開鍵（ES256）を、JSON Web Key Set（RFC 7517）で返す。トークンは不要。
#[utoipa::path(
    tag = "tokens",
    security(()),
    responses((status = 200, body = KeySetView, content_type = "application/jwk-set+json"))
)]
#[get("/.well-known/jwks.json")]
pub(crate) async fn get_public_keys(state: Data<State>) -> HttpResponse {
    let keys = state.keys.public_keys().into_iter().map(PublicKeyView::from).collect();
    HttpResponse::Ok().content_type("application/jwk-set+json").json(KeySetView { keys })
}
