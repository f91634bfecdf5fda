//! The API document and the page that shows it, both served from shared memory.

use std::io::Write;

use actix_web::http::header;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, web};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use scoring::Lang;

use crate::base::fault::{Fault, Reason};
use crate::base::problem::{ApiError, ProblemKind};
use crate::base::text::short_hash;
use crate::http::compress::{accepts_gzip, mark};
use crate::http::extract::{Preconditions, Query, preferred_language};
use crate::http::openapi::document_in;

/// The files of the page. `assets/swagger-ui/README.md` says where they come from.
const PAGE_FILES: [(&str, &str, &[u8]); 6] = [
    ("", "text/html; charset=utf-8", include_bytes!("../../assets/swagger-ui/index.html")),
    ("favicon-32x32.png", "image/png", include_bytes!("../../assets/swagger-ui/favicon-32x32.png")),
    ("page.css", "text/css; charset=utf-8", include_bytes!("../../assets/swagger-ui/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/swagger-ui/page.js")),
    (
        "swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js"),
    ),
    ("swagger-ui.css", "text/css; charset=utf-8", include_bytes!("../../assets/swagger-ui/swagger-ui.css")),
];

/// What the page may load and do. Swagger UI sets styles on elements and uses data URLs for icons.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Texts that are the same for every reader, with their entity tags.
#[derive(Debug, Clone)]
pub(crate) struct Docs {
    /// In Japanese and in English.
    documents: [Shared; 2],
    files: Vec<(&'static str, Shared)>,
}

#[derive(Debug, Clone)]
struct Shared {
    media_type: &'static str,
    etag: String,
    bytes: Bytes,
    /// The same bytes as gzip. They are compressed only once, because anybody may request them at any rate. Empty if
    /// gzip does not make them smaller.
    packed: Bytes,
}

impl Docs {
    pub(crate) fn new(document: &utoipa::openapi::OpenApi) -> Result<Self, serde_json::Error> {
        let in_language = |lang| Ok::<_, serde_json::Error>(serde_json::to_vec(&document_in(document, lang)?)?.into());
        let documents =
            [in_language(Lang::Ja)?, in_language(Lang::En)?].map(|text| Shared::new("application/json", text));
        let files = PAGE_FILES.iter().map(|(name, kind, bytes)| (*name, Shared::new(kind, Bytes::from_static(bytes))));
        Ok(Self { documents, files: files.collect() })
    }
}

impl Shared {
    fn new(media_type: &'static str, bytes: Bytes) -> Self {
        Self { media_type, etag: format!("\"{}\"", short_hash(&bytes, 24)), packed: packed(&bytes), bytes }
    }

    /// Returns the answer, or 304 (Not Modified) if the client already has it. `set` adds headers.
    fn answer(
        &self,
        request: &HttpRequest,
        preconditions: &Preconditions,
        set: impl FnOnce(&mut HttpResponseBuilder),
    ) -> HttpResponse {
        let is_known = preconditions.is_known(&self.etag);
        let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer
            .insert_header((header::ETAG, self.etag.as_str()))
            .insert_header((header::VARY, "accept-encoding, accept-language"));
        set(&mut answer);
        if is_known {
            return answer.finish();
        }
        answer.content_type(self.media_type);
        if self.packed.is_empty() || !accepts_gzip(request.headers()) {
            return answer.body(self.bytes.clone());
        }
        answer.insert_header((header::CONTENT_ENCODING, "gzip"));
        let mut answer = answer.body(self.packed.clone());
        mark(answer.headers_mut());
        answer
    }
}

/// Returns the bytes as gzip, or nothing if that does not make them smaller.
fn packed(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default();
    if packed.len() < bytes.len() { packed.into() } else { Bytes::new() }
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    let to_page = || async { HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, "/docs/")).finish() };
    config
        .service(get_document)
        .service(get_page)
        .route("/", web::get().to(to_page))
        .route("/docs", web::get().to(to_page));
}

/// Returns the paths above, which are not in the API document.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    let files = PAGE_FILES.iter().map(|(name, ..)| format!("/docs/{name}"));
    ["/".to_owned(), "/docs".to_owned(), "/openapi.json".to_owned()].into_iter().chain(files)
}

/// Returns the API document, from which clients can be generated: in the language of `lang` or, if omitted, in that of
/// the request. Generators ask for none and get English.
#[get("/openapi.json")]
async fn get_document(
    docs: Data<Docs>,
    request: HttpRequest,
    query: Query,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let asked = query.read(&["lang"], |fields| {
        let asked = fields.value::<Option<String>>("lang", None)?;
        match asked.as_deref() {
            None => Some(preferred_language(request.headers()).unwrap_or(Lang::En)),
            Some("ja") => Some(Lang::Ja),
            Some("en") => Some(Lang::En),
            Some(_) => {
                fields.faults.push(Fault {
                    field: "lang".to_owned(),
                    value: asked,
                    reason: Reason::NotOneOf(vec!["ja", "en"]),
                });
                None
            }
        }
    })?;
    let [ja, en] = &docs.documents;
    Ok(asked.pick(ja, en).answer(&request, &preconditions, |_| {}))
}

/// Returns the page or one of its files.
#[get("/docs/{name:[^/]*}")]
async fn get_page(
    docs: Data<Docs>,
    name: Path<String>,
    request: HttpRequest,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let file = docs.files.iter().find(|(known, _)| *known == name.as_str());
    let (_, file) = file.ok_or(ProblemKind::NoSuchPath)?;
    Ok(file.answer(&request, &preconditions, |answer| {
        answer.insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY));
        answer.insert_header((header::CACHE_CONTROL, "no-cache"));
    }))
}
