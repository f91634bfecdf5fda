//! Registered お助け隊 services: the same for every buyer, imported on the command line.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::services::{self, Service};
use schema::{ExternalId, Monitoring, Name, ServiceClass, ServiceId, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::ApiError;
use crate::http::auth::Viewer;
use crate::http::extract::Query;
use crate::http::openapi::{self, choice_schema};
use crate::http::page::{List, Paging};
use crate::http::state::State;
use crate::records::keys;

/// A registered service.
/// ja: 登録サービス
#[derive(Serialize, ToSchema)]
#[schema(as = Service)]
struct ServiceView {
    /// The id of the service.
    /// ja: 登録サービスのID
    id: ServiceId,
    /// The registration number.
    /// ja: 登録番号
    #[schema(value_type = Option<String>, example = "R-001")]
    registration_number: Option<ExternalId>,
    /// The name of the provider.
    /// ja: 事業者名
    #[schema(value_type = String, example = "事業者01")]
    provider_name: Name,
    /// The name of the service.
    /// ja: サービス名
    #[schema(value_type = String, example = "お助け隊サービス01")]
    service_name: Name,
    /// Its class.
    /// ja: 類型
    service_class: ServiceClass,
    /// What it monitors.
    /// ja: 監視の対象
    monitoring: Option<Monitoring>,
    /// When it was imported.
    /// ja: 取り込んだ日時
    recorded_at: Timestamp,
}

type ServiceList = List<ServiceView>;

/// The parameters of the list of services, for the API document.
struct ListServices;

impl IntoParams for ListServices {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut parameters = openapi::page_parameters();
        let class = choice_schema("The class.\nja: 類型", &keys::<ServiceClass>(), "class_1");
        parameters.push(openapi::parameter(
            "service_class",
            "Only this service class.\nja: この類型だけ",
            class,
            false,
        ));
        parameters
    }
}

/// List services
/// ja: 登録サービスを一覧する
///
/// The registered services that the operator of the installation has imported. An enrollment whose class differs from that
/// of its service carries a warning.
/// ja: 運用者が取り込んだ登録サービス。サービスと類型が異なる加入には警告が付く。
#[utoipa::path(tag = "services", security(("bearer" = ["viewer"])), params(ListServices), responses((status = 200, body = ServiceList)))]
#[get("/services")]
async fn list_services(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let (window, class) = paging.query.read(&["limit", "cursor", "service_class"], |fields| {
        let window = paging.read::<ServiceId>(fields);
        let class = fields.value::<Option<ServiceClass>>("service_class", None);
        Some((window?, class?))
    })?;
    let limit = window.limit;
    let rows = state.db.read(&viewer.0, move |tx| Ok(services::list(tx, class, window.after, limit)?)).await?;
    Ok(paging.page(rows, limit, |row| row.id).map(ServiceView::from).answer(None))
}

impl From<Service> for ServiceView {
    fn from(row: Service) -> Self {
        let Service { id, registration_number, provider_name, service_name, service_class, monitoring, recorded_at } =
            row;
        Self { id, registration_number, provider_name, service_name, service_class, monitoring, recorded_at }
    }
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_services);
}
