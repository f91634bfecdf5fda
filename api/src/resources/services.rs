//! Registered お助け隊 services: the same for every buyer, imported on the command line.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::services::{self, Service};
use schema::{Id, ServiceClass};
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::ApiError;
use crate::http::auth::Viewer;
use crate::http::extract::Query;
use crate::http::openapi::{self, choice_schema, id_schema, object, text_schema, time_schema};
use crate::http::page::Paging;
use crate::http::state::State;
use crate::records::keys;

/// The schema of a page of services.
struct ServiceList;

impl PartialSchema for ServiceList {
    fn schema() -> RefOr<Schema> {
        openapi::list_schema("Service").into()
    }
}

impl ToSchema for ServiceList {
    fn name() -> std::borrow::Cow<'static, str> {
        "ServiceList".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        let service = object("A registered service.")
            .property("id", id_schema("The id."), true)
            .property("registration_number", text_schema("Its registration.", "R-001").or_null(), true)
            .property("provider_name", text_schema("The name of the provider.", "事業者01"), true)
            .property("service_name", text_schema("What it is called.", "お助け隊サービス01"), true)
            .property("service_class", choice_schema("Its class.", &keys::<ServiceClass>(), "class_1"), true)
            .property(
                "monitoring",
                choice_schema("What it watches.", &keys::<schema::Monitoring>(), "endpoint").or_null(),
                true,
            )
            .property("recorded_at", time_schema("When it was imported."), true);
        schemas.push(("Service".to_owned(), service.into()));
    }
}

/// The parameters of the list of services, for the API document.
struct ListServices;

impl IntoParams for ListServices {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut parameters = openapi::page_parameters();
        let class = choice_schema("The class.", &keys::<ServiceClass>(), "class_1");
        parameters.push(openapi::parameter("service_class", "Only this service class.", class, false));
        parameters
    }
}

/// List services
///
/// The registered services that whoever runs the installation has imported; an enrollment whose class differs from its service's
/// carries a warning. Role: viewer.
#[utoipa::path(tag = "services", params(ListServices), responses((status = 200, body = ServiceList, description = "The page.")))]
#[get("/services")]
async fn list_services(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let (window, class) = paging.query.read(&["limit", "cursor", "service_class"], |fields| {
        let window = paging.read::<Id<Service>>(fields);
        let class = fields.value::<Option<ServiceClass>>("service_class", None);
        Some((window?, class?))
    })?;
    let limit = window.limit;
    let rows = state.db.read(&viewer.0, move |tx| Ok(services::list(tx, class, window.after, limit)?)).await?;
    Ok(paging.page(rows, limit, |row| row.id).map(|row| view(&row)).answer(None))
}

fn view(row: &Service) -> Value {
    json!({
        "id": row.id, "registration_number": row.registration_number, "provider_name": row.provider_name,
        "service_name": row.service_name, "service_class": row.service_class, "monitoring": row.monitoring,
        "recorded_at": row.recorded_at,
    })
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_services);
}
