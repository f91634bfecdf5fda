//! The public keys that tokens are verified with.

use actix_web::get;
use actix_web::web::Data;

use crate::http::openapi::{object, text_schema};
use crate::http::state::State;

/// The schema of the public keys.
struct KeySet;

impl utoipa::PartialSchema for KeySet {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let kid = text_schema("Its id, as headers of tokens name it.", "01999999-9999-7999-8999-999999999999");
        let key = object("A public key.")
            .property("kty", text_schema("The family.", "EC"), true)
            .property("crv", text_schema("The curve.", "P-256"), true)
            .property("alg", text_schema("The algorithm.", "ES256"), true)
            .property("use", text_schema("What it is for.", "sig"), true)
            .property("kid", kid, true)
            .property(
                "x",
                text_schema("The point's x, base64url.", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                true,
            )
            .property(
                "y",
                text_schema("The point's y, base64url.", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
                true,
            );
        let keys = utoipa::openapi::ArrayBuilder::new()
            .items(utoipa::openapi::RefOr::from(key))
            .description(Some("The keys, including those that no longer sign."))
            .build();
        object("A JSON Web Key Set.")
            .property("keys", utoipa::openapi::RefOr::T(utoipa::openapi::Schema::Array(keys)), true)
            .into()
    }
}

impl utoipa::ToSchema for KeySet {
    fn name() -> std::borrow::Cow<'static, str> {
        "KeySet".into()
    }
}

/// The keys that tokens are verified with.
#[utoipa::path(
    tag = "tokens",
    summary = "Get the public keys",
    description = "The public keys of the built-in issuer (ES256), as a JSON Web Key Set (RFC 7517). Needs no token.",
    security(()),
    responses((status = 200, body = KeySet, description = "The key set.", content_type = "application/jwk-set+json"))
)]
#[get("/.well-known/jwks.json")]
pub(crate) async fn get_public_keys(state: Data<State>) -> actix_web::HttpResponse {
    actix_web::HttpResponse::Ok().content_type("application/jwk-set+json").body(state.keys.public_set())
}
