//! What a supplier sees of itself, and of nobody else.

mod score;
mod view;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, get};
use schema::assessments::Assessment;
use schema::certifications::Certification;
use schema::enrollments::Enrollment;
use schema::incidents::Incident;
use schema::suppliers::{self, Supplier};
use schema::{Common, Stored, SupplierId, Tx};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::{ApiError, ProblemKind};
use crate::http::auth::{self, Caller};
use crate::http::extract::{Documented, Preconditions, Query};
use crate::http::page::List;
use crate::http::state::State;
use crate::records::{self, IfNoneMatch, PageQuery, Resource, ShownRecord, View};

/// A supplier that asks for what the buyer knows about it.
#[derive(Debug, Clone)]
pub(crate) struct SupplierSelf {
    pub(crate) caller: Caller,
    /// The canonical record of the token's supplier.
    pub(crate) id: SupplierId,
    /// The canonical record and those merged into it.
    pub(crate) family: Vec<SupplierId>,
}

impl FromRequest for SupplierSelf {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let supplier = auth::SupplierCaller::from_request(request, payload);
        let state = State::of(request).cloned();
        Box::pin(async move {
            let caller = supplier.await?.0;
            let state = state?;
            let own =
                caller.supplier_id.ok_or_else(|| ApiError::internal("a supplier's token without the supplier"))?;
            let read = move |tx: &mut Tx| {
                let mut standing = suppliers::references(tx, [own], None)?;
                let id = standing.remove(&own).ok_or(ProblemKind::NotFound)?.id;
                let mut family = suppliers::merged_into(tx, id, None)?;
                family.push(id);
                Ok((id, family))
            };
            let (id, family) = state.db.read(&caller, read).await?;
            Ok(Self { caller, id, family })
        })
    }
}

/// A record of which its supplier sees some members. A member that is added to the record stays hidden until it is
/// listed here.
trait OwnRecord: Resource {
    const SHOWN_TO_SUPPLIER: &'static [&'static str];
}

impl OwnRecord for Supplier {
    const SHOWN_TO_SUPPLIER: &'static [&'static str] = &[
        "id",
        "supplier_code",
        "name",
        "kana",
        "corporate_number",
        "jsic_division",
        "employee_count",
        "capital_jpy",
        "prefecture_code",
        "data_access",
        "network_access",
        "total_endpoints",
        "reports_incidents_since",
        "version",
        "recorded_at",
        "ended_on",
    ];
}

impl OwnRecord for Enrollment {
    const SHOWN_TO_SUPPLIER: &'static [&'static str] = &[
        "id",
        "supplier_id",
        "supplier_code",
        "service_name",
        "provider_name",
        "service_class",
        "monitoring",
        "coverage_share",
        "covered_endpoints",
        "starts_on",
        "ends_on",
        "onsite_response",
        "insured_limit_jpy",
        "version",
        "recorded_at",
        "ended_on",
    ];
}

impl OwnRecord for Certification {
    const SHOWN_TO_SUPPLIER: &'static [&'static str] = &[
        "id",
        "supplier_id",
        "supplier_code",
        "scheme",
        "issued_on",
        "expires_on",
        "scope",
        "evidence_url",
        "version",
        "recorded_at",
        "ended_on",
    ];
}

impl OwnRecord for Assessment {
    const SHOWN_TO_SUPPLIER: &'static [&'static str] = &[
        "id",
        "supplier_id",
        "supplier_code",
        "control",
        "status",
        "total_score",
        "assessed_on",
        "expires_on",
        "assurance",
        "assessor_name",
        "evidence_url",
        "version",
        "recorded_at",
        "ended_on",
    ];
}

impl OwnRecord for Incident {
    const SHOWN_TO_SUPPLIER: &'static [&'static str] = &[
        "id",
        "supplier_id",
        "supplier_code",
        "occurred_on",
        "category",
        "outcome",
        "count",
        "loss_jpy",
        "downtime_days",
        "detected_at",
        "reported_at",
        "partners_affected",
        "indicators",
        "version",
        "recorded_at",
        "ended_on",
    ];
}

/// The schema of a record as the supplier itself sees it.
struct OwnView<R>(Documented<R>);

impl<R: OwnRecord> PartialSchema for OwnView<R> {
    fn schema() -> RefOr<Schema> {
        let text = "The supplier's own record, as the buyer has it.\nja: 取引先自身の記録（発注者の登録内容）";
        View::<R>::shape().only(R::SHOWN_TO_SUPPLIER).described(text).into()
    }
}

impl<R: OwnRecord> ToSchema for OwnView<R> {
    fn name() -> Cow<'static, str> {
        format!("Own{}", R::NAME).into()
    }
}

type OwnSupplier = OwnView<Supplier>;
type OwnEnrollmentList = List<OwnView<Enrollment>>;
type OwnCertificationList = List<OwnView<Certification>>;
type OwnAssessmentList = List<OwnView<Assessment>>;
type OwnIncidentList = List<OwnView<Incident>>;

/// Get one's own record
/// ja: 自社の登録内容を取得する
///
/// The supplier of the token, as the buyer has it. If it was merged, this is the canonical record.
/// ja: トークンの取引先について、発注者が登録している内容。統合されている場合は統合先の記録。
#[utoipa::path(
    tag = "own",
    security(("bearer" = ["supplier"])),
    params(IfNoneMatch),
    responses((status = 200, body = OwnSupplier))
)]
#[get("/own")]
async fn get_own_supplier(
    own: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    preconditions: Preconditions,
) -> Result<HttpResponse, ApiError> {
    let shown = state
        .db
        .read(&own.caller, move |tx| {
            let stored = records::current::<Supplier>(tx, own.id)?;
            Ok(ShownRecord::new(&stored, &Default::default(), None).only(Supplier::SHOWN_TO_SUPPLIER))
        })
        .await?;
    Ok(records::answer_read(&request, shown, None, &preconditions))
}

/// Lists records of a supplier, including those that have ended.
async fn list<R: OwnRecord>(
    own: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let common = Common { suppliers: Some(own.family), with_ended: true, ..Common::default() };
    let show = |tx: &mut Tx, rows: Vec<Stored<R>>| {
        let shown = records::show_all(tx, &rows, None)?;
        Ok(shown.into_iter().map(|shown| shown.only(R::SHOWN_TO_SUPPLIER)).collect())
    };
    records::list_some::<R>(own.caller, state, request, query, common, show).await
}

/// List one's own enrollments
/// ja: 自社の加入を一覧する
///
/// The enrollments in お助け隊 services, as the buyer has them now. Retracted ones are left out.
/// ja: お助け隊サービスへの加入のうち、発注者がいま登録しているもの。取り消された記録は含まない。
#[utoipa::path(tag = "own", security(("bearer" = ["supplier"])), params(PageQuery), responses((status = 200, body = OwnEnrollmentList)))]
#[get("/own/enrollments")]
async fn list_own_enrollments(
    own: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    list::<Enrollment>(own, state, request, query).await
}

/// List one's own certifications
/// ja: 自社の認証を一覧する
///
/// SECURITY ACTION, SCS and ISMS, as the buyer has them now. Retracted ones are left out.
/// ja: SECURITY ACTION・SCS・ISMSのうち、発注者がいま登録しているもの。取り消された記録は含まない。
#[utoipa::path(tag = "own", security(("bearer" = ["supplier"])), params(PageQuery), responses((status = 200, body = OwnCertificationList)))]
#[get("/own/certifications")]
async fn list_own_certifications(
    own: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    list::<Certification>(own, state, request, query).await
}

/// List one's own assessments
/// ja: 自社の対策の確認を一覧する
///
/// What is known about single controls, as the buyer has it now, by any assessor. Retracted ones are left out.
/// ja: 確認者を問わず、発注者がいま登録している対策の確認。取り消された記録は含まない。
#[utoipa::path(tag = "own", security(("bearer" = ["supplier"])), params(PageQuery), responses((status = 200, body = OwnAssessmentList)))]
#[get("/own/assessments")]
async fn list_own_assessments(
    own: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    list::<Assessment>(own, state, request, query).await
}

/// List one's own incidents
/// ja: 自社の事案を一覧する
///
/// The incidents, as the buyer has them now, by any reporter. Retracted ones are left out.
/// ja: 報告者を問わず、発注者がいま登録している事案。取り消された記録は含まない。
#[utoipa::path(tag = "own", security(("bearer" = ["supplier"])), params(PageQuery), responses((status = 200, body = OwnIncidentList)))]
#[get("/own/incidents")]
async fn list_own_incidents(
    own: SupplierSelf,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    list::<Incident>(own, state, request, query).await
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(score::get_own_score).service(score::get_own_score_history);
    config
        .service(get_own_supplier)
        .service(list_own_enrollments)
        .service(list_own_certifications)
        .service(list_own_assessments)
        .service(list_own_incidents);
}
