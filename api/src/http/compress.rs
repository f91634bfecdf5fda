//! Compresses answers with gzip for clients that accept it: JSON, CSV and other text that is long enough.

use actix_http::encoding::Encoder;
use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentEncoding, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

/// Shorter answers fit into one packet anyway.
const MIN_BYTES_TO_COMPRESS: u64 = 1024;

/// Distinguishes the entity tag of a compressed answer from that of the same answer uncompressed.
const GZIP_ETAG_SUFFIX: &str = "-gzip\"";

/// Wraps the whole application. Text is compressed if the request accepts gzip, unless it is known to be shorter than
/// [`MIN_BYTES_TO_COMPRESS`]. A compressed answer has its own entity tag, which preconditions accept like the other one.
pub(crate) async fn compress(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_accepted = accepts_gzip(request.headers());
    let is_marked =
        [header::IF_MATCH, header::IF_NONE_MATCH].map(|name| unmark(request.headers_mut(), &name)).contains(&true);
    let mut response = next.call(request).await?.map_into_boxed_body();
    if !is_packable(&response) {
        if response.status() == StatusCode::NOT_MODIFIED {
            vary(response.headers_mut());
            if is_marked {
                mark(response.headers_mut());
            }
        }
        return Ok(response);
    }
    vary(response.headers_mut());
    let size = response.response().body().size();
    if !is_accepted || matches!(size, BodySize::None | BodySize::Sized(..MIN_BYTES_TO_COMPRESS)) {
        return Ok(response);
    }
    mark(response.headers_mut());
    // The length is that of the uncompressed bytes.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let packed = response.map_body(|head, body| {
        let vary = head.headers().get(header::VARY).cloned();
        let body = Encoder::response(ContentEncoding::Gzip, head, body);
        // The encoder adds its own `Vary`.
        if let Some(vary) = vary {
            head.headers_mut().insert(header::VARY, vary);
        }
        body
    });
    Ok(packed.map_into_boxed_body())
}

/// Whether the answer is text that may be compressed. Workbooks and Parquet are already compressed.
fn is_packable(response: &ServiceResponse<BoxBody>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let is_text =
        kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("javascript") || kind.ends_with("+xml");
    is_text
        && !response.headers().contains_key(header::CONTENT_ENCODING)
        && !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Whether the request accepts gzip: by its name, or by `*` if it is not named. A weight of zero means no.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    let codings: Vec<(String, bool)> = accepted
        .flat_map(|value| value.split(','))
        .map(|range| {
            let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=").map(str::to_owned));
            (name, weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)))
        })
        .collect();
    let of =
        |names: &[&str]| codings.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, is_taken)| *is_taken);
    of(&["gzip", "x-gzip"]).or_else(|| of(&["*"])).unwrap_or(false)
}

fn vary(headers: &mut HeaderMap) {
    let others = headers.get(header::VARY).and_then(|value| value.to_str().ok());
    let all = others.map_or("accept-encoding".to_owned(), |others| format!("{others}, accept-encoding"));
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(header::VARY, value);
    }
}

/// Adds the mark of the coding to the entity tag of an answer.
pub(crate) fn mark(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let marked = tag.and_then(|tag| tag.strip_suffix('"')).map(|tag| format!("{tag}{GZIP_ETAG_SUFFIX}"));
    if let Some(value) = marked.and_then(|marked| HeaderValue::from_str(&marked).ok()) {
        headers.insert(header::ETAG, value);
    }
}

/// Removes the mark from the entity tags of a request. Returns whether there was one.
fn unmark(headers: &mut HeaderMap, name: &HeaderName) -> bool {
    let all: Vec<HeaderValue> = headers.get_all(name).cloned().collect();
    let has_mark = |value: &HeaderValue| value.to_str().is_ok_and(|tags| tags.contains(GZIP_ETAG_SUFFIX));
    if !all.iter().any(has_mark) {
        return false;
    }
    headers.remove(name);
    for value in all {
        let text = value.to_str().map(|tags| tags.replace(GZIP_ETAG_SUFFIX, "\"")).unwrap_or_default();
        headers.append(name.clone(), HeaderValue::from_str(&text).unwrap_or(value));
    }
    true
}
