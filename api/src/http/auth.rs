//! Authentication: bearer tokens, and roles as types in the signatures of handlers.

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use schema::tokens::{self, Presented};
use schema::{Actor, Context, Role, TokenId};
use tracing::warn;

use crate::base::actors::SERVICE;
use crate::base::fault::{Fault, Reason};
use crate::base::keys::EXPIRED_TOKEN;
use crate::base::machine::FILE_OWNER_ADVICE;
use crate::base::problem::{ApiError, Problem, ProblemKind};
pub(crate) use crate::http::caller::Caller;
use crate::http::known_tokens::KnownToken;
use crate::http::operations::Operations;
use crate::http::state::State;

/// The operation name of a request that matches no operation.
const NO_OPERATION: &str = "none";

/// Identifies the caller of a request by its token.
async fn find(request: &ServiceRequest, request_id: &str) -> Result<Caller, ApiError> {
    let state = State::of(request.request())?;
    let token = bearer(request.headers())?;
    let allowed = request.app_data::<Data<Operations>>();
    let operation = allowed.and_then(|allowed| allowed.operation_id(request.path(), request.method()));
    let context = Context::new(SERVICE, operation.unwrap_or(NO_OPERATION)).within(request_id);
    let asked_at = state.clock().monotonic();
    let known = match state.known_tokens.find(token, asked_at) {
        Some(known) => known,
        None => {
            let found = Arc::new(find_token(state, token, &context, asked_at).await?);
            state.known_tokens.keep(token, Arc::clone(&found));
            found
        }
    };
    // The expiry in the database decides, regardless of what was signed.
    if known.expires_at <= state.clock().now() {
        return Err(refused(EXPIRED_TOKEN));
    }
    let actor = Actor { subject: Arc::clone(&known.name), role: Some(known.role) };
    Ok(Caller {
        tenant: known.tenant,
        context: Context { actor, ..context },
        token_id: known.id,
        provider_name: known.provider_name.clone(),
        supplier_id: known.supplier_id,
        role: known.role,
        time_zone: known.time_zone,
        clock: state.clock().clone(),
    })
}

/// Finds a token whose signature and row are valid.
async fn find_token(
    state: &Data<State>,
    token: &str,
    context: &Context,
    asked_at: Instant,
) -> Result<KnownToken, ApiError> {
    let mut claims = state.keys.verify(token);
    if claims.is_err() && state.keys.should_refresh_for(token) && refresh_keys(state.clone()).await {
        claims = state.keys.verify(token);
    }
    let claims = claims.map_err(refused)?;
    let id = claims.id;
    let found = state.db.read_as(claims.tenant_id, context, move |tx| Ok(tokens::find_good(tx, id)?)).await?;
    let Presented { token, time_zone } = found.filter(|found| found.token.role == claims.role).ok_or_else(|| {
        refused((
            "取り消されたトークンか、停止中の発注者のものです。新しいトークンを管理者に求めてください",
            "the token was revoked, or its buyer is suspended; ask an administrator for a new one",
        ))
    })?;
    Ok(KnownToken {
        tenant: claims.tenant_id,
        id: token.id,
        name: token.name.as_str().into(),
        role: claims.role,
        provider_name: token.provider_name,
        supplier_id: token.supplier_id,
        expires_at: token.expires_at,
        time_zone: time_zone.parse().map_err(|_| ApiError::internal("unknown time zone"))?,
        asked_at,
    })
}

/// The caller of a request, or why it is unknown. It is determined before anything else of the request is looked at.
struct Sender(Result<Caller, ApiError>);

/// Identifies the caller of a request, for the handler that requires a role, and for the log.
pub(crate) async fn present(request: &ServiceRequest, request_id: &str) -> Option<(TokenId, Role)> {
    let caller = find(request, request_id).await;
    let who = caller.as_ref().ok().map(|caller| (caller.token_id, caller.role));
    request.extensions_mut().insert(Sender(caller));
    who
}

/// Returns the caller if its role is one of `roles`. If the operation has no parameters, refuses any.
///
/// It is ready at once and comes first in the signatures of handlers. So a role that is too low is refused before the
/// body and the parameters are looked at.
fn with_role(request: &HttpRequest, roles: &[Role]) -> Result<Caller, ApiError> {
    let sender = request.extensions_mut().remove::<Sender>();
    let caller = sender.map_or_else(|| Err(ApiError::internal("nobody was asked for")), |sender| sender.0)?;
    if !roles.contains(&caller.role) {
        return Err(too_low(roles));
    }
    let allowed = request.app_data::<Data<Operations>>();
    if allowed.is_some_and(|allowed| allowed.reads_no_query(request.path(), request.method())) {
        // Operations with parameters report unknown ones together with all other faults.
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let unknown = pairs.map(|(name, _)| Fault::new(name, Reason::UnknownField(Vec::new())));
        let unknown: Vec<_> = unknown.collect();
        if !unknown.is_empty() {
            return Err(Problem::parameters(unknown).into());
        }
    }
    Ok(caller)
}

/// The polling interval for the folder with the keys.
const KEY_POLLING_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps the keys up to date with their folder while the service runs: commands may add or retire keys.
pub(crate) async fn keep_keys_current(state: Data<State>) {
    loop {
        tokio::time::sleep(KEY_POLLING_INTERVAL).await;
        refresh_keys(state.clone()).await;
    }
}

/// Reads the folder with the keys again if they have changed. Returns whether they have.
async fn refresh_keys(state: Data<State>) -> bool {
    let refreshed = web::block(move || state.keys.refresh()).await.map_err(io::Error::other).flatten();
    // The known keys continue to verify tokens.
    refreshed.unwrap_or_else(|error| {
        let remedy = if error.kind() == io::ErrorKind::PermissionDenied { FILE_OWNER_ADVICE.1 } else { "" };
        warn!(%error, "the folder with the keys cannot be read{remedy}");
        false
    })
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || {
        refused((
            "Authorization: Bearer <トークン> のヘッダーを付けてください。トークンは sonae token create で発行できます",
            "send the header Authorization: Bearer <token>; `sonae token create` makes a token",
        ))
    };
    let mut values = headers.get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(missing()) };
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(missing)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(missing()) }
}

fn refused((ja, en): (&str, &str)) -> ApiError {
    Problem::from(ProblemKind::InvalidToken).detail(ja, en).into()
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident = $key:literal($($role:ident),*);)*) => {
        /// Returns the roles that may call an operation whose security requirement names a role.
        pub(crate) fn roles_of(key: &str) -> &'static [Role] {
            match key {
                $($key => $name::ROLES,)*
                _ => &[],
            }
        }
    $(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub(crate) Caller);

        impl $name {
            /// The roles that may call a handler with this type.
            pub(crate) const ROLES: &'static [Role] = &[$(Role::$role),*];
        }

        impl FromRequest for $name {
            type Error = ApiError;
            type Future = std::future::Ready<Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(with_role(request, Self::ROLES).map(Self))
            }
        }
    )*};
}

roles! {
    /// Reads suppliers and evidence.
    Viewer = "viewer"(Viewer, Integrator, Analyst, Admin, Auditor);
    /// Imports.
    Integrator = "integrator"(Integrator, Analyst, Admin);
    /// Changes suppliers and evidence.
    Analyst = "analyst"(Analyst, Admin);
    /// Changes the buyer's settings and the assignments of providers.
    Admin = "admin"(Admin);
    /// Sends evidence for the suppliers assigned to it, and reads what it has sent.
    Provider = "provider"(Provider);
    /// Reads what the buyer has recorded about it.
    SupplierCaller = "supplier"(Supplier);
}

fn too_low(allowed: &[Role]) -> ApiError {
    let names = |lang: fn(&Role) -> &'static str| allowed.iter().map(lang).collect::<Vec<_>>().join(", ");
    let keys = names(|role| schema::Choice::key(*role));
    Problem::from(ProblemKind::RoleTooLow)
        .detail(
            format!("次のいずれかのロールのトークンが要ります: {keys}"),
            format!("a token with one of these roles is needed: {keys}"),
        )
        .into()
}
