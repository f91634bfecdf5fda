//! The table of contents: one line per resource, and the API document built from them.

use actix_web::App;
use scoring::Lang;
use serde_json::Value;
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_actix_web::{AppExt, scope};

use crate::http::openapi::{InCommon, document_in};
use crate::resources::{
    assessments, certifications, enrollments, exports, imports, incidents, jobs, own, portfolio, provider_assignments,
    public_keys, relationships, score_runs, scores, services, settings, submissions, supplier_codes, suppliers,
};

/// Registers everything that needs a token, and the public keys.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(public_keys::get_public_keys).service(
        // Paths are tried in this order. What purchasing systems request all day comes first.
        scope::scope("/v1")
            .configure(scores::routes)
            .configure(suppliers::routes)
            .configure(supplier_codes::routes)
            .configure(relationships::routes)
            .configure(enrollments::routes)
            .configure(certifications::routes)
            .configure(assessments::routes)
            .configure(incidents::routes)
            .configure(provider_assignments::routes)
            .configure(services::routes)
            .configure(imports::routes)
            .configure(jobs::routes)
            .configure(score_runs::routes)
            .configure(portfolio::routes)
            .configure(exports::routes)
            .configure(settings::routes)
            .configure(submissions::routes)
            .configure(own::routes),
    );
}

/// The API document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sonae",
        description = "Sonae (備え) tells a buyer how likely each supplier is to be stopped by a cyber incident, what that would cost, why, \
                       and where help does most good. A score supports decisions. It is no ground by itself for ending trade, and \
                       お助け隊, SECURITY ACTION and SCS are voluntary.\nja: Sonae（備え）は、各取引先がサイバーインシデントで止まる可能性、その損失、理由、\
                       支援の効果が大きいところを発注者に示します。スコアは判断の材料です。それだけを理由に取引をやめるためのものではなく、\
                       お助け隊、SECURITY ACTION、SCSは任意の制度です。",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This service.\nja: このサービス")),
    tags(
        (name = "suppliers", description = "Firms that supply the buyer, directly or through others.\nja: 取引先。直接の取引先と、その先の取引先"),
        (name = "relationships", description = "Who supplies whom, and the buyer.\nja: 取引関係。どの会社がどの会社に納めているか"),
        (name = "enrollments", description = "Enrollments in サイバーセキュリティお助け隊 services.\nja: サイバーセキュリティお助け隊サービスへの加入"),
        (name = "certifications", description = "SECURITY ACTION, SCS and ISMS.\nja: 宣言・認証（SECURITY ACTION、SCS、ISMS）"),
        (name = "assessments", description = "What somebody found out about single controls, such as MFA or tested backups.\nja: 対策の確認。多要素認証や復元試験などについて分かっていること"),
        (name = "incidents", description = "Cyber incidents at suppliers.\nja: 取引先で起きた事案"),
        (name = "imports", description = "Files with any of these records, each with a report of every row.\nja: 上の記録のファイルの取り込み。行ごとの結果が残る"),
        (name = "jobs", description = "Imports, score runs and exports that outlast a request.\nja: 取り込み・スコア計算・書き出しの進み具合と結果"),
        (name = "score_runs", description = "The whole portfolio, scored as of a day.\nja: スコア計算。ある日付の時点で全取引先を計算する"),
        (name = "scores", description = "Risk scores and chain scores, with the contributions that they are the sum of.\nja: リスクスコアと連鎖スコア、その内訳"),
        (name = "portfolio", description = "Grades, losses and SC3's indicators, now and over time.\nja: 全体の状況。グレード、損失、SC3の指標と推移"),
        (name = "exports", description = "Scores as files.\nja: スコアのファイル"),
        (name = "supplier_codes", description = "The codes of purchasing systems, and the supplier that each means.\nja: 購買システムの取引先コードと、それが指す取引先"),
        (name = "provider_assignments", description = "Which provider may send evidence for which supplier.\nja: どの事業者がどの取引先の記録を送れるか"),
        (name = "services", description = "The registered お助け隊 services.\nja: 登録されているお助け隊サービス"),
        (name = "settings", description = "The buyer's own settings.\nja: 発注者の設定"),
        (name = "submissions", description = "What お助け隊 providers send, and read back.\nja: お助け隊の事業者が送る記録"),
        (name = "own", description = "What a supplier sees of itself.\nja: 取引先が自社について見られる内容"),
        (name = "tokens", description = "The public keys that verify tokens.\nja: トークンを検証する公開鍵")
    )
)]
struct Document;

/// Returns the API document in both languages, built from the registered routes.
///
/// Its operations stand in the order of their tags, which is the one in which one begins: what is registered, how it is
/// scored, what is read.
pub(crate) fn bilingual_document() -> utoipa::openapi::OpenApi {
    let (_, mut document) =
        App::new().into_utoipa_app().openapi(Document::openapi()).configure(routes).split_for_parts();
    let tags: Vec<_> = document.tags.iter().flatten().map(|tag| tag.name.clone()).collect();
    document.paths.paths.sort_by_cached_key(|_, item| {
        let operations = [&item.get, &item.post, &item.put, &item.patch, &item.delete];
        let tag = operations.into_iter().flatten().find_map(|operation| operation.tags.iter().flatten().next());
        tags.iter().position(|known| Some(known) == tag)
    });
    InCommon.modify(&mut document);
    document
}

/// Returns the API document in a language.
///
/// # Errors
/// Fails if the document cannot be written as JSON.
pub fn document(lang: Lang) -> Result<Value, serde_json::Error> {
    document_in(&bilingual_document(), lang)
}
