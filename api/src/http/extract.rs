//! What handlers extract from requests: ids, bodies, preconditions, the language.

use std::cmp::Ordering;
use std::fmt;
use std::future::Future;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{
    self, AcceptLanguage, EntityTag, Header, HeaderMap, HeaderValue, IfMatch, IfNoneMatch, Preference, Quality,
    from_comma_delimited,
};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use schema::Id;
use scoring::Lang;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::base::config::Pace;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Fields, MAX_MEMBERS, Suppliers};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::text::{Text, short_hash};
use crate::http::state::State;

/// Returns the language of the answer: Japanese, unless English has a greater weight.
pub(crate) fn language(headers: &HeaderMap) -> Lang {
    preferred_language(headers).unwrap_or(Lang::Ja)
}

/// Returns the language with the greater weight. `None` if the request prefers neither.
pub(crate) fn preferred_language(headers: &HeaderMap) -> Option<Lang> {
    let ranges = from_comma_delimited(headers.get_all(header::ACCEPT_LANGUAGE)).unwrap_or_default();
    let AcceptLanguage(ranges) = AcceptLanguage(ranges);
    let weight = |wanted: &str| {
        let weights = ranges.iter().filter_map(|range| match &range.item {
            Preference::Specific(tag) if tag.primary_language().eq_ignore_ascii_case(wanted) => Some(range.quality),
            _ => None,
        });
        weights.max().unwrap_or(Quality::ZERO)
    };
    match weight("ja").cmp(&weight("en")) {
        Ordering::Greater => Some(Lang::Ja),
        Ordering::Less => Some(Lang::En),
        Ordering::Equal => None,
    }
}

/// The id in a path. Text that is not a UUID is answered with "not found".
#[derive(Debug)]
pub(crate) struct IdPath<R>(pub(crate) Id<R>);

impl<R> FromRequest for IdPath<R> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|id| id.parse().ok());
        ready(id.map(Self).ok_or_else(|| ProblemKind::NotFound.into()))
    }
}

impl<R> utoipa::IntoParams for IdPath<R> {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        vec![crate::http::openapi::id_parameter()]
    }
}

/// The query string, as names and values.
#[derive(Debug, Clone)]
pub(crate) struct Query(pub(crate) Vec<(String, String)>);

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), value.into_owned()));
        // One more than allowed is kept, to show that there are too many.
        ready(Ok(Self::from_pairs(pairs.take(MAX_MEMBERS + 1))))
    }
}

/// Parameters that take several values. If given several times, they are joined with commas.
const LIST_PARAMETERS: [&str; 6] = ["fields", "grade", "chain_grade", "jsic_section", "size_class", "tier"];

impl Query {
    fn from_pairs(pairs: impl Iterator<Item = (String, String)>) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            match all.iter_mut().find(|(known, _)| *known == name && LIST_PARAMETERS.contains(&name.as_str())) {
                Some((_, values)) => *values += &format!(",{value}"),
                // An empty cursor asks for the first page. Some clients always send one.
                None if name == "cursor" && value.is_empty() => {}
                None => all.push((name, value)),
            }
        }
        Self(all)
    }

    /// Returns the parameters as fields. An empty one is a fault: if it were ignored, a filter would match everything.
    pub(crate) fn fields<'a>(&'a self, suppliers: &'a mut dyn Suppliers) -> Fields<'a> {
        Fields::new(self.0.iter().map(|(name, value)| (name.as_str(), Cell::Text(value.into()))).collect(), suppliers)
    }

    /// Reads parameters that refer to no supplier. Refuses the request if any is wrong.
    pub(crate) fn read<T>(
        &self,
        known: &[&'static str],
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<T, ApiError> {
        let mut none = ();
        let mut fields = self.fields(&mut none);
        fields.expect_only(known);
        match (read(&mut fields), fields.faults) {
            (Some(value), faults) if faults.is_empty() => Ok(value),
            (_, faults) => Err(Problem::parameters(faults).into()),
        }
    }
}

/// What a request says about the version that its client has seen.
#[derive(Debug, Clone)]
pub(crate) struct Preconditions {
    if_match: Option<IfMatch>,
    if_none_match: Option<IfNoneMatch>,
}

impl FromRequest for Preconditions {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let has = |name| request.headers().contains_key(name);
        // A header that cannot be read names no version. A change must not pass as if it had no precondition.
        let if_match = || IfMatch::parse(request).unwrap_or_else(|_| IfMatch::Items(Vec::new()));
        ready(Ok(Self {
            if_match: has(header::IF_MATCH).then(if_match),
            if_none_match: IfNoneMatch::parse(request).ok().filter(|_| has(header::IF_NONE_MATCH)),
        }))
    }
}

/// Whether a tag from a client names a version, either as a whole or by its part before the hash.
fn names(tag: &EntityTag, etag: &str) -> bool {
    let version = etag.trim_matches('"');
    !tag.weak && (tag.tag() == version || tag.tag().split('-').next() == Some(version))
}

impl Preconditions {
    /// Returns no preconditions.
    pub(crate) fn none() -> Self {
        Self { if_match: None, if_none_match: None }
    }

    /// Allows a change if it was made to this version.
    pub(crate) fn allow_change(&self, etag: &str) -> Result<(), ApiError> {
        match &self.if_match {
            Some(IfMatch::Any) => Ok(()),
            Some(IfMatch::Items(tags)) if tags.iter().any(|tag| names(tag, etag)) => Ok(()),
            Some(_) => Err(Problem::from(ProblemKind::StaleVersion)
                .detail(
                    format!("今の版は {etag} です。取り直してから変更してください"),
                    format!("the current version is {etag}; get it again before changing it"),
                )
                .header(header::ETAG, etag)
                .into()),
            None => Err(Problem::from(ProblemKind::PreconditionRequired)
                .detail(
                    "変更する版の ETag を If-Match に付けてください（版を問わないときは *）",
                    "send the ETag of the version that you change as If-Match, or * for any version",
                )
                .into()),
        }
    }

    /// Allows a creation unless the request expects an existing record.
    pub(crate) fn allow_creation(&self) -> Result<(), ApiError> {
        match self.if_match {
            None => Ok(()),
            Some(_) => Err(Problem::from(ProblemKind::StaleVersion)
                .detail("まだ記録がありません", "there is no such record yet")
                .into()),
        }
    }

    /// Allows a replacement if it was made to this version. Refuses it if the request may only create.
    pub(crate) fn allow_replacement(&self, etag: &str) -> Result<(), ApiError> {
        if self.if_none_match == Some(IfNoneMatch::Any) {
            return Err(Problem::from(ProblemKind::StaleVersion)
                .detail("同じキーの記録が既にあります", "there is a record with this key already")
                .into());
        }
        self.allow_change(etag)
    }

    /// Whether the client already has this version.
    pub(crate) fn is_known(&self, etag: &str) -> bool {
        match &self.if_none_match {
            Some(IfNoneMatch::Any) => true,
            Some(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.tag() == etag.trim_matches('"')),
            None => false,
        }
    }
}

/// Answers with a body, or with 304 (Not Modified) if the client already has the same one.
pub(crate) fn answer_unless_known(body: &impl Serialize, preconditions: &Preconditions) -> HttpResponse {
    let mut text = Vec::with_capacity(8192);
    if let Err(error) = serde_json::to_writer(&mut text, body) {
        return HttpResponse::from_error(ApiError::internal(error));
    }
    let etag = format!("\"{}\"", short_hash(&text, 24));
    if preconditions.is_known(&etag) {
        return HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish();
    }
    HttpResponse::Ok().insert_header((header::ETAG, etag)).content_type("application/json").body(text)
}

/// A body with limits of size and pace.
pub(crate) struct PacedBody {
    payload: Payload,
    /// The length that the request announces.
    announced: Option<u64>,
    limit: u64,
    pace: Pace,
    start: Instant,
    received: u64,
}

impl PacedBody {
    pub(crate) fn new(request: &HttpRequest, payload: &mut Payload, limit: u64, pace: Pace) -> Result<Self, ApiError> {
        let is_encoded = |encoding: &HeaderValue| !encoding.as_bytes().eq_ignore_ascii_case(b"identity");
        if request.headers().get(header::CONTENT_ENCODING).is_some_and(is_encoded) {
            let problem = Problem::from(ProblemKind::UnsupportedMediaType);
            return Err(problem
                .detail(
                    "圧縮せずに送ってください（Content-Encoding なし）",
                    "send it without Content-Encoding: it is not unpacked",
                )
                .header(header::ACCEPT_ENCODING, "identity")
                .into());
        }
        Self::of_any_coding(request, payload, limit, pace)
    }

    /// Makes a body for callers that decompress it.
    pub(crate) fn of_any_coding(
        request: &HttpRequest,
        payload: &mut Payload,
        limit: u64,
        pace: Pace,
    ) -> Result<Self, ApiError> {
        let announced =
            request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let body = Self { payload: payload.take(), announced, limit, pace, start: Instant::now(), received: 0 };
        body.announced_within(limit)?;
        Ok(body)
    }

    /// Refuses a body whose announced length is too great.
    pub(crate) fn announced_within(&self, limit: u64) -> Result<(), ApiError> {
        if self.announced.is_some_and(|length| length > limit) { Err(too_large(limit)) } else { Ok(()) }
    }

    /// Returns the next piece, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        // The moment by which more must have arrived. A body slower than the minimum rate is refused.
        let earned = self.received / self.pace.min_bytes_per_second.max(1);
        let allowed = self.pace.total.min(self.pace.grace + Duration::from_secs(earned));
        let piece = timeout_at(self.start + allowed, self.payload.next()).await.map_err(|_| {
            ApiError::from(Problem::from(ProblemKind::SlowRequest).detail(
                "本文が届くのが遅すぎます。回線を確かめて送り直してください",
                "the body arrived too slowly; check the connection and send it again",
            ))
        })?;
        match piece {
            None => Ok(None),
            Some(Err(error)) => Err(broken_off(&error)),
            Some(Ok(bytes)) => {
                self.received += bytes.len() as u64;
                if self.received > self.limit { Err(too_large(self.limit)) } else { Ok(Some(bytes)) }
            }
        }
    }
}

pub(crate) fn too_large(limit: u64) -> ApiError {
    let text = Text::new(
        format!("本文は{limit}バイトまでです。小さくするか、ファイルなら分けて送ってください"),
        format!("a body may have {limit} bytes; make it smaller, or split the file"),
    );
    Problem::from(ProblemKind::BodyTooLarge).detail(text.ja, text.en).into()
}

fn broken_off(error: &PayloadError) -> ApiError {
    let problem = Problem::from(ProblemKind::InvalidRequest);
    problem.detail(format!("本文が途中で切れました: {error}"), format!("the body broke off: {error}")).into()
}

/// A JSON body: an object, with its members as received.
pub(crate) struct JsonBody(Members);

/// The members of an object in order, at most one more than [`MAX_MEMBERS`]. A name may occur twice.
#[derive(Debug, Default)]
pub(crate) struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while members.len() <= MAX_MEMBERS
                    && let Some(member) = map.next_entry()?
                {
                    members.push(member);
                }
                // The rest is only skipped. One more than allowed shows that there are too many.
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

impl Members {
    pub(crate) fn cells(&self) -> Vec<(&str, Cell<'_>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), Cell::Json(value))).collect()
    }

    /// Reads an object, or returns what is wrong with a text that is not one.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }
}

impl JsonBody {
    pub(crate) fn members(&self) -> &Members {
        &self.0
    }
}

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move { read_json(&request, &mut payload).await.map(Self) })
    }
}

/// The approximate maximum number of values in a JSON body: a hundred times what a look-up of 1,000 codes needs, and
/// few enough to hold in memory.
const MAX_JSON_VALUES: usize = 100_000;

async fn read_json(request: &HttpRequest, payload: &mut Payload) -> Result<Members, ApiError> {
    let kind = media_type(request);
    if !matches!(kind.as_str(), "application/json" | "application/merge-patch+json") {
        let problem = Problem::from(ProblemKind::UnsupportedMediaType);
        return Err(problem
            .detail("Content-Type: application/json で送ってください", "send it as Content-Type: application/json")
            .into());
    }
    let limits = State::of(request)?.limits;
    let mut body = PacedBody::new(request, payload, limits.json_bytes, limits.json_pace())?;
    let mut text = BytesMut::new();
    while let Some(piece) = body.next().await? {
        text.extend_from_slice(&piece);
    }
    // RFC 8259 lets a reader ignore the byte order mark that some programs put before UTF-8.
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    if memchr::memchr3_iter(b',', b'[', b'{', text).count() > MAX_JSON_VALUES {
        let what = Text::new("値の数", "values");
        return Err(Problem::body(vec![Fault::new("", Reason::TooMany { what, max: MAX_JSON_VALUES })]).into());
    }
    Members::parse(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::body(vec![Fault::new("", Reason::WrongType("object"))]).into(),
        _ => Problem::from(ProblemKind::MalformedBody)
            .detail(format!("JSON として読めません: {error}"), format!("not JSON: {error}"))
            .into(),
    })
}

/// Returns the media type of a body, in lower case and without parameters.
pub(crate) fn media_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Marks a type that is used only for its documentation.
pub(crate) type Documented<T> = PhantomData<fn() -> T>;

#[cfg(test)]
mod tests {
    use super::*;

    fn lang(accepted: &str) -> Lang {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(accepted).unwrap());
        language(&headers)
    }

    #[test]
    fn japanese_comes_first_unless_english_is_asked_for_more() {
        assert_eq!(language(&HeaderMap::new()), Lang::Ja);
        assert_eq!(lang("fr, de"), Lang::Ja);
        assert_eq!(lang("en-US,en;q=0.9"), Lang::En);
        assert_eq!(lang("ja,en-US;q=0.9,en;q=0.8"), Lang::Ja);
        assert_eq!(lang("en;q=0.5, ja;q=0.4"), Lang::En);
        assert_eq!(lang("en;q=0"), Lang::Ja);
        assert_eq!(lang("ja;q=half, EN-gb; q=0.1"), Lang::En);
    }
}
