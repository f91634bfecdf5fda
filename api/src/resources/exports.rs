//! Exports: the scores of a run as a file. Few scores are written at once, many by a job.

pub(crate) mod file;
pub(crate) mod xlsx;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use actix_web::http::header;
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use futures_util::stream;
use schema::jobs::{self, JobRow};
use schema::score_runs::{self, RunRow};
use schema::{Access, Job, JobKind, JobState, RunId, Timestamp, Tx, scores as stored};
use scoring::{Lang, RESULTS};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::text::Text;
use crate::http::auth::Viewer;
use crate::http::extract::{IdPath, Query, language};
use crate::http::openapi::{self, FileBody, TextBody};
use crate::http::state::State;
use crate::queue::outcome::Interrupted;
use crate::queue::progress::Progress;
use crate::queue::work::{self, Attempt, Order, Work};
use crate::resources::exports::file::{FileError, Format, ScoreFile, provenance};
use crate::resources::exports::xlsx::Conditions;
use crate::resources::portfolio::read_overview;
use crate::resources::score_runs::EXPORT_DAYS;
use crate::resources::scores::{FILTERS, ScoreSelection, SourceRun, StalenessCheck, filter_parameters, read_filter};

/// The most suppliers of an export that is written without a job.
const MAX_DIRECT_SUPPLIERS: i64 = 10_000;
/// The size of one part of a stored file, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// The request of an export, as its job stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExportRequest {
    run: RunId,
    format: Format,
    /// The filters as they were given.
    filters: Vec<(String, String)>,
    is_japanese: bool,
    /// The buyer's time zone.
    #[serde(with = "as_text")]
    time_zone: Tz,
    /// How many suppliers match the filters.
    supplier_count: i64,
}

/// The result of an export, as its job stores it.
#[derive(Serialize, Deserialize)]
struct ExportResult {
    bytes: u64,
}

/// Stores a time zone as its name.
mod as_text {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        zone.name().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl ExportRequest {
    fn lang(&self) -> Lang {
        if self.is_japanese { Lang::Ja } else { Lang::En }
    }

    /// Returns the filters as a person reads them.
    fn filter_text(&self) -> String {
        let lang = self.lang();
        let text = self.filters.iter().filter(|(name, _)| name != "score_run_id").map(|(name, value)| {
            let (column, sign) = match (name.strip_suffix("_gte"), name.strip_suffix("_lte")) {
                (Some(column), _) => (column, " ≥ "),
                (_, Some(column)) => (column, " ≤ "),
                _ => (name.as_str(), " = "),
            };
            let heading = RESULTS.iter().find(|known| known.name == column);
            let heading = heading.map_or(column, |known| lang.pick(known.heading.0, known.heading.1));
            format!("{heading}{sign}{value}")
        });
        let text = text.collect::<Vec<_>>().join(lang.pick("、", ", "));
        if text.is_empty() { lang.pick("なし", "none").to_owned() } else { text }
    }

    /// Returns a moment as the buyer's clocks show it.
    fn clock(&self, moment: Timestamp) -> String {
        moment.clock_in(self.time_zone)
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        Self::internal(error)
    }
}

/// The parameters of an export, for the API document.
struct ExportQuery;

impl IntoParams for ExportQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        filter_parameters()
    }
}

fn read_asked(query: &Query) -> Result<ScoreSelection, ApiError> {
    query.read(&FILTERS, read_filter)
}

/// Answers with a file, or with the job that writes it.
async fn export(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    format: Format,
) -> Result<HttpResponse, ApiError> {
    let caller = viewer.0;
    let (lang, staleness) = (language(request.headers()), StalenessCheck::new(&state, &caller));
    let asked = read_asked(&query)?;
    let time_zone = caller.time_zone;
    let found = state
        .db
        .read(&caller, move |tx| {
            let basis = SourceRun::find(tx, asked.run, &staleness)?;
            let supplier_count = stored::count(tx, basis.run.id, &asked.filter)?;
            let export = ExportRequest {
                run: basis.run.id,
                format,
                filters: query.0,
                is_japanese: lang == Lang::Ja,
                time_zone,
                supplier_count,
            };
            let same = if supplier_count > MAX_DIRECT_SUPPLIERS { same_job(tx, &export)? } else { None };
            Ok((basis.run, export, same))
        })
        .await?;
    let (run, export, same) = found;
    if let Some(job) = same {
        return Ok(crate::resources::jobs::accepted(&state, &request, &job));
    }
    if export.supplier_count > MAX_DIRECT_SUPPLIERS {
        crate::resources::jobs::refuse_too_many(&state, &caller).await?;
        let job = work::queued::<ExportWork>(state.clock(), &export, caller.name())?;
        let (row, id) = (job.clone(), run.id);
        let insert = move |tx: &mut Tx| {
            keep(tx, id)?;
            Ok(jobs::insert(tx, &row)?)
        };
        state.db.write_patiently(&caller, insert).await?;
        state.runner.wake();
        return Ok(crate::resources::jobs::accepted(&state, &request, &job));
    }
    if run.exported_at.is_none() {
        let id = run.id;
        state.db.write(&caller, move |tx| keep(tx, id)).await?;
    }
    let (access, name) = (caller.access(state.db.database()), file_name(&run, format));
    let bytes = web::block(move || {
        let progress = Progress::default();
        let mut file = write(&access, &export, &progress)?;
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(FileError::from)?;
        Ok::<_, ApiError>(bytes)
    })
    .await
    .map_err(ApiError::internal)??;
    Ok(file_answer(format, &name).body(bytes))
}

/// Notes that a run is exported, so that it is kept. Fails if newer scores have just replaced it.
fn keep(tx: &mut Tx, run: RunId) -> Result<(), ApiError> {
    if score_runs::note_exported(tx, run)? {
        return Ok(());
    }
    let problem = Problem::from(ProblemKind::NotScored);
    let (ja, en) = (
        "新しいスコアに置き換わりました。もう一度送ってください",
        "newer scores have replaced these; send the request again",
    );
    Err(problem.detail(ja, en).into())
}

fn file_name(run: &RunRow, format: Format) -> String {
    format!("sonae-scores-{}.{}", run.as_of, format.ending())
}

fn file_answer(format: Format, name: &str) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(format.media_type())
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    answer
}

/// Returns a job of the same export that did not fail, if there is one: asking again returns the same job.
fn same_job(tx: &mut Tx, export: &ExportRequest) -> Result<Option<JobRow>, ApiError> {
    const LOOKED_AT: i64 = 50;
    let oldest = tx.moment().after(TimeDelta::days(-EXPORT_DAYS));
    let latest = jobs::latest_of_kind(tx, JobKind::Export, LOOKED_AT)?;
    Ok(latest.into_iter().find(|job| {
        !matches!(job.state, JobState::Failed | JobState::Cancelled)
            && job.created_at > oldest
            && serde_json::from_str::<ExportRequest>(&job.request).is_ok_and(|other| other == *export)
    }))
}

/// Writes the file of an export, from one snapshot of the database.
fn write(access: &Access, export: &ExportRequest, progress: &Progress) -> Result<File, ApiError> {
    let asked = read_asked(&Query(export.filters.clone()))?;
    access.read(|tx| {
        let run = score_runs::find(tx, export.run)?.ok_or(ProblemKind::NotFound)?;
        let mut file = ScoreFile::new(export.format, &run, export.lang())?;
        let mut count = 0;
        stored::each(tx, export.run, &asked.filter, |row, facts| {
            if progress.is_cancelled() {
                return Err(ApiError::internal("cancelled"));
            }
            file.push(row, facts)?;
            count += 1;
            progress.step(1);
            Ok(())
        })?;
        let conditions = conditions(&run, export, count, tx.moment());
        Ok(file.finish(&read_overview(tx, run.id)?, &conditions)?)
    })
}

fn conditions(run: &RunRow, export: &ExportRequest, supplier_count: usize, written_at: Timestamp) -> Conditions {
    let item = |ja: &str, en: &str, value: String| (Text::new(ja, en), value);
    let others = vec![
        item("絞り込み", "filter", export.filter_text()),
        item("計算日時", "scored at", export.clock(run.scored_at)),
        item("データの基準時点", "known at", export.clock(run.known_at)),
        item("書き出し日時", "written at", export.clock(written_at)),
        item("スコア計算ID", "score run", run.id.to_string()),
        item("入力のSHA-256", "input SHA-256", run.input_hash.clone()),
        item("集計の範囲", "portfolio sheet covers", export.lang().pick("全取引先", "all suppliers").to_owned()),
    ];
    Conditions { provenance: provenance(run), supplier_count, others }
}

/// Writes the file of an export.
pub(crate) struct ExportWork;

impl Work for ExportWork {
    const KIND: JobKind = JobKind::Export;
    const UNIT: &'static str = "suppliers";
    const ORDER: Order = Order::Any;
    type Request = ExportRequest;

    /// Stores the file and ends the job in one transaction.
    fn run(&self, attempt: &Attempt<'_>, export: ExportRequest) -> Result<JobState, Interrupted> {
        let &Attempt { access, job, progress } = attempt;
        progress.set_total(u64::try_from(export.supplier_count).unwrap_or_default());
        let mut file = match write(access, &export, progress) {
            Err(_) if progress.is_cancelled() => return Err(Interrupted::Cancelled),
            Err(ApiError::Problem(problem)) if problem.is(ProblemKind::NotFound) => {
                let detail = Text::new(
                    "新しいスコアに置き換わりました。もう一度書き出してください",
                    "newer scores have replaced these; export again",
                );
                return Err(Interrupted::Refused("not-scored", detail));
            }
            done => done?,
        };
        let bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        access.write(|tx| {
            tx.expect_large_values()?;
            let old = tx.moment().after(TimeDelta::days(-EXPORT_DAYS));
            jobs::delete_export_chunks(tx, old)?;
            for seq in 0.. {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
                if chunk.is_empty() {
                    break;
                }
                jobs::insert_export_chunk(tx, job.id, seq, &chunk)?;
            }
            let result = json!(ExportResult { bytes }).to_string();
            jobs::finish(tx, job, JobState::Succeeded, &result)?;
            Ok(JobState::Succeeded)
        })
    }

    fn result_url(job: &JobRow) -> Option<String> {
        (job.state == JobState::Succeeded).then(|| format!("/v1/exports/{}/file", job.id))
    }
}

/// Get the file of an export
/// ja: 書き出したファイルを取得する
///
/// The file that an export job has written. It is kept for 7 days.
/// ja: 書き出しのジョブが作ったファイル。7日間保存する。
#[utoipa::path(
    tag = "exports",
    security(("bearer" = ["viewer"])),
    params(IdPath<Job>),
    responses((status = 200, body = inline(FileBody), content_type = "application/octet-stream", description = "The file.\nja: ファイル"))
)]
#[get("/exports/{id}/file")]
async fn get_export_file(viewer: Viewer, state: Data<State>, id: IdPath<Job>) -> Result<HttpResponse, ApiError> {
    let caller = viewer.0;
    let (format, as_of, bytes, first) = state
        .db
        .read(&caller, move |tx| {
            let job = jobs::find(tx, id.0)?.filter(|job| job.kind == JobKind::Export);
            let job = job.ok_or(ProblemKind::NotFound)?;
            let export: ExportRequest = serde_json::from_str(&job.request).map_err(ApiError::internal)?;
            let first = jobs::find_export_chunk(tx, id.0, 0)?.ok_or_else(|| not_there(&job))?;
            let as_of = score_runs::find(tx, export.run)?.map(|run| run.as_of);
            let result = job.result.as_deref().unwrap_or_default();
            let result: ExportResult = serde_json::from_str(result).map_err(ApiError::internal)?;
            Ok((export.format, as_of, result.bytes, first))
        })
        .await?;
    let name = format!("sonae-scores-{}.{}", as_of.unwrap_or(NaiveDate::MIN), format.ending());
    // Part by part, so that no whole file is held in memory. The length is sent, so that a cut-off shows.
    let begin = (state, caller, 1, bytes.saturating_sub(first.len() as u64), Some(first));
    let parts = stream::try_unfold(begin, move |(state, caller, seq, left, next)| async move {
        let Some(part) = next else { return Ok::<_, actix_web::Error>(None) };
        let next = match left {
            0 => None,
            _ => {
                let find = move |tx: &mut Tx| Ok(jobs::find_export_chunk(tx, id.0, seq)?);
                let next = state.db.read(&caller, find).await?;
                Some(next.ok_or_else(|| ApiError::internal("a part of the file is gone"))?)
            }
        };
        let left = left - next.as_ref().map_or(0, |next| next.len() as u64).min(left);
        Ok(Some((Bytes::from(part), (state, caller, seq + 1, left, next))))
    });
    Ok(file_answer(format, &name).no_chunking(bytes).streaming(parts))
}

fn not_there(job: &JobRow) -> ApiError {
    let problem = Problem::from(ProblemKind::NotFound);
    match job.finished_at {
        None => problem.detail(
            "まだ書き出し中です。ジョブの finished_at が入ってから取得してください",
            "the file is still being written; get it when the job has ended",
        ),
        Some(_) => problem.detail(
            "書き出しが失敗したか、7日間の保存期間が過ぎました。もう一度書き出してください",
            "the export failed, or its file was older than 7 days and was deleted; export again",
        ),
    }
    .into()
}

/// Writes the operations of the formats.
macro_rules! formats {
    ($($name:ident: $format:ident at $path:literal, $body:ident as $media_type:literal, $summary:literal;)*) => {$(
        #[utoipa::path(
            tag = "exports",
            security(("bearer" = ["viewer"])),
            summary = $summary,
            description = "The filters are those of the list of scores. If more than 10,000 suppliers match, the answer is 202, and a \
                           job writes the file: its address is the job's `result_url`. Repeating the request returns the same job.\nja: \
                           絞り込みはスコアの一覧と同じ。10,000社を超える場合は202を返し、ジョブがファイルを作る。ファイルのアドレスはジョブの \
                           `result_url` に入る。同じ書き出しをもう一度送ると、同じジョブを返す。",
            params(ExportQuery),
            responses(
                (status = 200, body = inline($body), content_type = $media_type, description = "The file.\nja: ファイル"),
                (
                    status = 202, body = crate::resources::jobs::JobView,
                    description = "The job will write the file.\nja: このジョブがファイルを作る"
                ),
                openapi::NotScored,
                openapi::TooManyJobs
            )
        )]
        #[get($path)]
        async fn $name(
            viewer: Viewer,
            state: Data<State>,
            request: HttpRequest,
            query: Query,
        ) -> Result<HttpResponse, ApiError> {
            export(viewer, state, request, query, Format::$format).await
        }
    )*};
}

formats! {
    export_scores_xlsx: Xlsx at "/exports/scores.xlsx",
        FileBody as "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "Export scores as a workbook\nja: スコアをExcelブックで書き出す";
    export_scores_csv: Csv at "/exports/scores.csv",
        TextBody as "text/csv", "Export scores as CSV\nja: スコアをCSVで書き出す";
    export_scores_parquet: Parquet at "/exports/scores.parquet",
        FileBody as "application/vnd.apache.parquet", "Export scores as Parquet\nja: スコアをParquetで書き出す";
    export_scores_ndjson: Ndjson at "/exports/scores.ndjson",
        TextBody as "application/x-ndjson", "Export scores as NDJSON\nja: スコアをNDJSONで書き出す";
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(export_scores_xlsx)
        .service(export_scores_csv)
        .service(export_scores_parquet)
        .service(export_scores_ndjson)
        .service(get_export_file);
}
