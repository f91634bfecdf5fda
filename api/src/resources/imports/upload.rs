//! The body of an upload: a plain file, or a form with one, with or without gzip.
//!
//! Bytes come piece by piece, and a whole file is never held in memory.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use actix_multipart::{Field as Part, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, ContentDisposition};
use actix_web::{FromRequest, HttpRequest};
use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use futures_util::{StreamExt, stream};
use schema::RecordKind;

use super::sniff::{HEAD, MAX_HEAD_BYTES, Sniffed, format_differs, sniff};
use super::table::kind_of_name;
use crate::base::config::Limits;
use crate::base::fault::{Fault, Reason};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::text::Text;
use crate::http::extract::{PacedBody, media_type, too_large};
use crate::resources::jobs::Format;

/// The bytes of a request, as they come.
pub(crate) struct Upload(Payload);

impl FromRequest for Upload {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(payload.take())))
    }
}

/// A file that is being received.
pub(super) struct Incoming {
    source: Source,
    unpacking: Option<Unpacking>,
    /// Bytes that were looked at and have not been returned yet.
    head: BytesMut,
    has_ended: bool,
    limits: Limits,
    limit: u64,
    given: u64,
}

/// Where the bytes of the file come from.
enum Source {
    Body(PacedBody),
    Form(Box<Form>),
}

/// How many bytes a form may have in addition to the file: parts with parameters, and the heads of all parts.
const AROUND_FILE: u64 = 256 << 10;

impl Incoming {
    /// Opens an upload, up to where its file begins.
    pub(super) async fn open(request: &HttpRequest, upload: Upload, limits: Limits) -> Result<Self, ApiError> {
        let mut payload = upload.0;
        let kind = media_type(request);
        let is_form = kind == "multipart/form-data";
        if kind.starts_with("multipart/") && !is_form {
            let problem = Problem::from(ProblemKind::UnsupportedMediaType);
            return Err(problem
                .detail(
                    "ファイルは本文そのものか、multipart/form-data で送ってください",
                    "send the file as the body itself, or as multipart/form-data",
                )
                .into());
        }
        let is_packed = is_gzip(request)?;
        let most = limits.text_upload_bytes.max(limits.xlsx_upload_bytes);
        let longest = if is_form { most.saturating_add(AROUND_FILE) } else { most };
        let body = PacedBody::of_any_coding(request, &mut payload, longest, limits.upload_pace())?;
        let source = match is_form {
            false => Source::Body(body),
            true if is_packed => return Err(packed_form()),
            true => Source::Form(Box::new(Form::open(request, body).await?)),
        };
        let unpacking = is_packed.then(|| Unpacking::new(most));
        Ok(Self { source, unpacking, head: BytesMut::new(), has_ended: false, limits, limit: most, given: 0 })
    }

    /// Looks at the first bytes and returns the format of the file.
    pub(super) async fn recognise(&mut self, asked: Option<Format>) -> Result<Format, ApiError> {
        let mut enough = HEAD;
        let format = loop {
            self.look_ahead(enough).await?;
            if self.head.starts_with(GZIP) {
                if self.unpacking.is_some() {
                    return Err(bad_gzip("中にもう一つ gzip があります", "there is another gzip within"));
                }
                // The file is gzip, whatever its name or media type says.
                let mut unpacking = Unpacking::new(self.limit);
                unpacking.push(std::mem::take(&mut self.head).freeze());
                (self.unpacking, self.has_ended) = (Some(unpacking), false);
                continue;
            }
            let is_final = self.has_ended || self.head.len() >= MAX_HEAD_BYTES;
            match sniff(&self.head, is_final) {
                Sniffed::Is(format) => break format,
                Sniffed::Not(reason) => return Err(refused(reason)),
                Sniffed::Undecided => enough = self.head.len() + 1,
            }
        };
        let format = match (asked, format) {
            (None, found) => found,
            // A text may be read as either format.
            (Some(Format::Csv | Format::Ndjson), Format::Csv | Format::Ndjson) => asked.unwrap_or(format),
            (Some(asked), found) if asked == found => found,
            (Some(asked), found) => return Err(refused(format_differs(asked, found))),
        };
        self.limit = match format {
            Format::Xlsx => self.limits.xlsx_upload_bytes,
            Format::Csv | Format::Ndjson => self.limits.text_upload_bytes,
        };
        match &self.source {
            Source::Body(body) if self.unpacking.is_none() => body.announced_within(self.limit)?,
            _ => {}
        }
        Ok(format)
    }

    /// Returns the next piece of the file, or `None` at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let piece = match self.head.is_empty() {
            false => Some(std::mem::take(&mut self.head).freeze()),
            true => self.read().await?,
        };
        if let Some(piece) = &piece {
            self.given += piece.len() as u64;
            if self.given > self.limit {
                return Err(too_large(self.limit));
            }
        }
        Ok(piece)
    }

    /// Returns the kind that the file's name gives, if the file came with a name.
    pub(super) fn kind_by_name(&self) -> Option<RecordKind> {
        match &self.source {
            Source::Form(form) => form.kind,
            Source::Body(_) => None,
        }
    }

    /// Returns whether this is a form, which may have parameters in addition to the file.
    pub(super) fn is_form(&self) -> bool {
        matches!(self.source, Source::Form(_))
    }

    /// Returns the parameters of the form that have come so far.
    pub(super) fn parameters(&self) -> &[(String, String)] {
        match &self.source {
            Source::Form(form) => &form.parameters,
            Source::Body(_) => &[],
        }
    }

    /// Reads what follows the file.
    pub(super) async fn finish(&mut self) -> Result<(), ApiError> {
        match &mut self.source {
            Source::Form(form) => form.finish().await,
            Source::Body(_) => Ok(()),
        }
    }

    async fn look_ahead(&mut self, enough: usize) -> Result<(), ApiError> {
        while self.head.len() < enough && !self.has_ended {
            match self.read().await? {
                Some(piece) => self.head.extend_from_slice(&piece),
                None => self.has_ended = true,
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            if let Some(bytes) = self.unpacking.as_mut().map(Unpacking::step).transpose()?.flatten() {
                return Ok(Some(bytes));
            }
            let piece = match &mut self.source {
                Source::Body(body) => body.next().await?,
                Source::Form(form) => form.next().await?,
            };
            match (piece, &mut self.unpacking) {
                (None, None) => return Ok(None),
                (None, Some(unpacking)) => return unpacking.finish(),
                (Some(piece), None) => return Ok(Some(piece)),
                (Some(piece), Some(unpacking)) => unpacking.push(piece),
            }
        }
    }
}

/// Returns whether a body is compressed with gzip. Any other coding is refused.
fn is_gzip(request: &HttpRequest) -> Result<bool, ApiError> {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING);
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(false),
        (Some(only), None) => only.as_bytes().to_ascii_lowercase(),
        (Some(_), Some(_)) => Vec::new(),
    };
    match coding.as_slice() {
        b"identity" => Ok(false),
        b"gzip" | b"x-gzip" => Ok(true),
        _ => Err(Problem::from(ProblemKind::UnsupportedMediaType)
            .detail(
                "圧縮は gzip だけを受け取ります（Content-Encoding: gzip か、圧縮なし）",
                "gzip is the only coding that is taken (Content-Encoding: gzip, or none)",
            )
            .header(header::ACCEPT_ENCODING, "gzip, identity")
            .into()),
    }
}

fn packed_form() -> ApiError {
    Problem::from(ProblemKind::UnsupportedMediaType)
        .detail(
            "フォームは圧縮せずに送ってください。中のファイルは gzip でも構いません",
            "send the form itself without Content-Encoding; the file within may be packed with gzip",
        )
        .header(header::ACCEPT_ENCODING, "identity")
        .into()
}

fn refused(reason: Reason) -> ApiError {
    Problem::body(vec![Fault::new("", reason)]).into()
}

const GZIP: &[u8] = b"\x1f\x8b";

/// A gzip stream that is being unpacked.
struct Unpacking {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Bytes that have come and are not unpacked yet.
    waiting: Bytes,
    packed: u64,
    unpacked: u64,
    limit: u64,
    has_finished: bool,
}

impl Unpacking {
    /// How many packed bytes are unpacked at a time: they give at most a thousand times as many.
    const STEP: usize = 1 << 10;
    /// Above how many unpacked bytes an unlikely ratio is refused: before much of a bomb is stored.
    const SMALL: u64 = 2 << 20;
    /// The largest accepted ratio of unpacked to packed bytes. Tables pack to a fifth or a twentieth.
    const MAX_FOLD: u64 = 100;

    fn new(limit: u64) -> Self {
        let decoder = MultiGzDecoder::new(Vec::new());
        Self { decoder, waiting: Bytes::new(), packed: 0, unpacked: 0, limit, has_finished: false }
    }

    fn push(&mut self, piece: Bytes) {
        self.packed += piece.len() as u64;
        self.waiting = piece;
    }

    /// Unpacks waiting bytes until some come out. Returns `None` if nothing is left to unpack.
    fn step(&mut self) -> Result<Option<Bytes>, ApiError> {
        while self.waiting.has_remaining() {
            let some = self.waiting.split_to(self.waiting.len().min(Self::STEP));
            self.decoder.write_all(&some).map_err(broken)?;
            if let Some(bytes) = self.take()? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Result<Option<Bytes>, ApiError> {
        let bytes = std::mem::take(self.decoder.get_mut());
        self.unpacked += bytes.len() as u64;
        if self.unpacked > self.limit {
            return Err(too_large(self.limit));
        }
        if self.unpacked > Self::SMALL && self.unpacked / Self::MAX_FOLD > self.packed {
            let fold = Self::MAX_FOLD;
            return Err(refused(Reason::File {
                code: "too-much",
                text: Text::new(
                    format!("展開すると{fold}倍を超える gzip は受け取りません。圧縮せずに送ってください"),
                    format!("gzip that unpacks to more than {fold} times its size is not taken; send it unpacked"),
                ),
            }));
        }
        Ok((!bytes.is_empty()).then(|| bytes.into()))
    }

    /// Returns the rest at the end. An end that comes too early is a fault.
    fn finish(&mut self) -> Result<Option<Bytes>, ApiError> {
        if !self.has_finished {
            self.decoder.try_finish().map_err(broken)?;
            self.has_finished = true;
        }
        self.take()
    }
}

fn broken(error: std::io::Error) -> ApiError {
    bad_gzip(&format!("途中で切れたか、壊れています（{error}）"), &format!("it breaks off or is damaged ({error})"))
}

fn bad_gzip(ja: &str, en: &str) -> ApiError {
    let text = Text::new(
        format!("gzip を展開できません。{ja}。圧縮し直すか、圧縮せずに送ってください"),
        format!("the gzip cannot be unpacked: {en}; pack it again, or send it unpacked"),
    );
    refused(Reason::File { code: "bad-gzip", text })
}

/// A form with a file.
struct Form {
    parts: Multipart,
    /// `None` once the file has ended: the next part can be read only after this one is dropped.
    file: Option<Part>,
    file_part: String,
    /// The kind that the file's name gives.
    kind: Option<RecordKind>,
    parameters: Vec<(String, String)>,
    /// Why the bytes ended early: the error of the form library cannot carry it.
    failure: Failure,
}

type Failure = Rc<RefCell<Option<ApiError>>>;

/// The name of the part with the file, if that part has no file name.
const FILE: &str = "file";

impl Form {
    const MAX_PARAMETERS: usize = 20;
    const MAX_PARAMETER_BYTES: usize = 8 << 10;

    async fn open(request: &HttpRequest, body: PacedBody) -> Result<Self, ApiError> {
        let failure = Failure::default();
        let mut parts = Multipart::new(request.headers(), pieces(body, failure.clone()));
        let mut parameters = Vec::new();
        let file = loop {
            match next_part(&mut parts, &failure).await? {
                None => return Err(no_file()),
                Some(part) if is_file(&part) => break part,
                Some(part) => read_parameter(part, &mut parameters, &failure).await?,
            }
        };
        let coding =
            file.headers().get("content-transfer-encoding").map(|coding| coding.as_bytes().to_ascii_lowercase());
        if coding.is_some_and(|coding| !matches!(coding.as_slice(), b"binary" | b"8bit" | b"7bit")) {
            let (ja, en) = (
                "Content-Transfer-Encoding を付けず、ファイルをそのまま送ってください",
                "send the file as it is, without a Content-Transfer-Encoding",
            );
            return Err(Problem::from(ProblemKind::UnsupportedMediaType).detail(ja, en).into());
        }
        let name = file.content_disposition().and_then(ContentDisposition::get_filename).unwrap_or_default();
        let stem = name.rsplit(['/', '\\']).next().and_then(|name| name.split('.').next());
        let kind = stem.and_then(kind_of_name);
        let file_part = file.name().unwrap_or_default().to_owned();
        Ok(Self { parts, file: Some(file), file_part, kind, parameters, failure })
    }

    /// Returns the next piece of the file.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Some(file) = &mut self.file else { return Ok(None) };
        let piece = file.next().await.transpose().map_err(|error| unreadable(&error, &self.failure))?;
        if piece.is_none() {
            self.file = None;
        }
        Ok(piece)
    }

    /// Reads the parts after the file, which must be parameters.
    async fn finish(&mut self) -> Result<(), ApiError> {
        while let Some(part) = next_part(&mut self.parts, &self.failure).await? {
            if is_file(&part) {
                let (first, second) = (&self.file_part, part.name().unwrap_or_default());
                let text = Text::new(
                    format!("ファイルは1つずつ送ってください（{first} と {second} の2つがありました）"),
                    format!("send one file at a time; there were two, {first} and {second}"),
                );
                let reason = Reason::File { code: "several-files", text };
                return Err(Problem::body(vec![Fault::new(second, reason)]).into());
            }
            read_parameter(part, &mut self.parameters, &self.failure).await?;
        }
        Ok(())
    }
}

/// Returns whether a part is the file: it has a file name, or is named `file`.
fn is_file(part: &Part) -> bool {
    let has_name = part.content_disposition().is_some_and(|known| known.get_filename().is_some());
    has_name || part.name() == Some(FILE)
}

fn no_file() -> ApiError {
    let text = Text::new(
        "フォームにファイルがありません。file という名前のパートで送ってください（curl なら -F file=@suppliers.csv）",
        "the form has no file; send it as a part named file (with curl, -F file=@suppliers.csv)",
    );
    Problem::body(vec![Fault::new(FILE, Reason::File { code: "missing-file", text })]).into()
}

async fn next_part(parts: &mut Multipart, failure: &Failure) -> Result<Option<Part>, ApiError> {
    parts.next().await.transpose().map_err(|error| unreadable(&error, failure))
}

async fn read_parameter(
    mut part: Part,
    parameters: &mut Vec<(String, String)>,
    failure: &Failure,
) -> Result<(), ApiError> {
    let name = part.name().unwrap_or_default().to_owned();
    let value = part.bytes(Form::MAX_PARAMETER_BYTES).await;
    let value = match value {
        Ok(value) => value.map_err(|error| unreadable(&error, failure))?,
        Err(_) => {
            let reason = Reason::Value(schema::ValueError::TooLong { max: Form::MAX_PARAMETER_BYTES });
            return Err(Problem::parameters(vec![Fault::new(name, reason)]).into());
        }
    };
    if parameters.len() >= Form::MAX_PARAMETERS {
        let (ja, en) = ("フォームのパートが多すぎます", "the form has too many parts");
        return Err(Problem::from(ProblemKind::InvalidRequest).detail(ja, en).into());
    }
    parameters.push((name, String::from_utf8_lossy(&value).into_owned()));
    Ok(())
}

/// Returns the pieces of a body as a stream for a form. An error that ends them is kept in `failure`.
fn pieces(body: PacedBody, failure: Failure) -> impl stream::Stream<Item = Result<Bytes, PayloadError>> {
    stream::unfold(Some((body, failure)), |left| async move {
        let (mut body, failure) = left?;
        match body.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece), Some((body, failure)))),
            Err(error) => {
                failure.replace(Some(error));
                Some((Err(PayloadError::Incomplete(None)), None))
            }
        }
    })
    .fuse()
}

fn unreadable(error: &MultipartError, failure: &Failure) -> ApiError {
    if let Some(error) = failure.take() {
        return error;
    }
    let (ja, en) = match error {
        MultipartError::BoundaryMissing | MultipartError::ContentTypeParse => (
            "フォームの区切り（boundary）が Content-Type にないか、本文と合いません。\
             Content-Type を自分で付けず、HTTPクライアントに任せてください"
                .to_owned(),
            "the boundary of the form is not in Content-Type, or differs from that of the body; \
             let the HTTP client set Content-Type"
                .to_owned(),
        ),
        MultipartError::Incomplete => (
            "フォームが途中で終わっています。送り直してください".to_owned(),
            "the form ends before its last boundary; send it again".to_owned(),
        ),
        _ => (format!("フォームを読み取れません（{error}）"), format!("the form cannot be read ({error})")),
    };
    Problem::from(ProblemKind::MalformedBody).detail(ja, en).into()
}
