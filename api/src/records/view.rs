//! How records look in JSON and what their bodies may contain, also for the API document.

use std::borrow::Cow;
use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::http::header;
use schema::suppliers::Reference;
use schema::{Choice, Stored, SupplierId};
use scoring::Lang;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::Resource;
use crate::base::fault::Fault;
use crate::base::text::short_hash;
use crate::http::extract::Documented;
use crate::http::openapi::{self, Shape, both, object};

/// A JSON object under construction.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Json(pub(crate) Map<String, Value>);

impl Json {
    pub(crate) fn set(&mut self, name: &str, value: &impl Serialize) {
        // Only texts, numbers and flags are set here, and these can always be JSON.
        self.0.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }
}

/// The suppliers to which references lead.
#[derive(Debug, Default)]
pub(crate) struct References(pub(crate) HashMap<SupplierId, Reference>);

impl References {
    /// Writes the id and the code of the supplier that a reference leads to.
    pub(crate) fn write(&self, id_name: &str, code_name: &str, id: Option<SupplierId>, out: &mut Json) {
        let found = id.and_then(|id| self.0.get(&id));
        out.set(id_name, &found.map(|found| found.id).or(id));
        out.set(code_name, &found.map(|found| &found.code));
    }
}

/// A record as the API shows it.
#[derive(Debug, Clone)]
pub(crate) struct ShownRecord {
    pub(crate) json: Json,
    version: i32,
    warnings: Vec<Fault>,
}

/// Returns the part of an entity tag that is compared when a record is changed: the version.
pub(crate) fn etag(version: i32) -> String {
    format!("\"{version}\"")
}

impl ShownRecord {
    /// Makes the view of a record, with warnings if they were computed.
    pub(crate) fn new<R: Resource>(stored: &Stored<R>, references: &References, warnings: Option<&[Fault]>) -> Self {
        let (meta, mut json) = (&stored.meta, Json::default());
        json.set("id", &meta.id);
        stored.attributes.write(references, &mut json);
        json.set("source", &meta.source);
        if R::HAS_EXTERNAL_ID {
            json.set("external_id", &meta.external_id);
        }
        json.set("version", &meta.version);
        json.set("recorded_at", &meta.recorded.at());
        json.set("superseded_at", &meta.superseded_at);
        json.set("recorded_by", &meta.recorded.actor);
        json.set("import_id", &meta.recorded.import_id);
        json.set("ended_on", &meta.ended_on);
        json.set("retraction_reason", &meta.retraction_reason);
        json.set("warnings", &Value::Null);
        Self { json, version: meta.version, warnings: warnings.unwrap_or_default().to_vec() }
    }

    /// Adds warnings.
    pub(crate) fn with(mut self, warnings: impl Iterator<Item = Fault>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Removes all other members.
    pub(crate) fn only(mut self, shown: &[&str]) -> Self {
        self.json.0.retain(|name, _| shown.contains(&name.as_str()));
        self
    }

    /// Returns the object in a language, with the members that were asked for.
    pub(crate) fn pick(mut self, chosen: Option<&[String]>, lang: Lang, with_warnings: bool) -> Json {
        // A view whose reader may not see warnings has no such member.
        if let Some(shown) = self.json.0.get_mut("warnings").filter(|_| with_warnings) {
            let warnings = self.warnings.iter().map(|warning| {
                let detail = warning.reason.detail();
                json!({ "field": warning.field, "code": warning.reason.code(), "detail": detail.pick(lang) })
            });
            *shown = warnings.collect();
        }
        if let Some(chosen) = chosen {
            self.json.0.retain(|name, _| chosen.contains(name));
        }
        self.json
    }

    /// Returns the text of an answer and its entity tag: the version and a hash of the text. The text depends on more
    /// than the record: the codes of other suppliers, the members that were asked for, the language.
    pub(crate) fn answer(self, chosen: Option<&[String]>, lang: Lang) -> (String, String) {
        let version = self.version;
        let text = serde_json::to_string(&self.pick(chosen, lang, true)).unwrap_or_default();
        let hash = short_hash(text.as_bytes(), 12);
        (text, format!("\"{version}-{hash}\""))
    }
}

/// Answers with one record.
pub(crate) fn answer(mut builder: actix_web::HttpResponseBuilder, shown: ShownRecord, lang: Lang) -> HttpResponse {
    let (text, etag) = shown.answer(None, lang);
    builder.insert_header((header::ETAG, etag)).content_type("application/json").body(text)
}

/// Returns the names that `fields` may contain.
pub(crate) fn member_names<R: Resource>() -> Vec<&'static str> {
    let mut names = vec!["id"];
    for field in R::FIELDS {
        if let Some(id) = id_name::<R>(field.name) {
            names.push(id);
        }
        names.push(field.name);
    }
    names.extend(R::SHOWN.iter().map(|field| field.name));
    names.push("source");
    if R::HAS_EXTERNAL_ID {
        names.push("external_id");
    }
    names.extend(META_MEMBERS);
    names
}

const META_MEMBERS: [&str; 8] = [
    "version",
    "recorded_at",
    "superseded_at",
    "recorded_by",
    "import_id",
    "ended_on",
    "retraction_reason",
    "warnings",
];

/// Returns the name of the id that accompanies a supplier's code, if the kind refers to one.
fn id_name<R: Resource>(code: &str) -> Option<&'static str> {
    match code {
        "supplier_code" if R::KIND != schema::RecordKind::Suppliers => Some("supplier_id"),
        "upstream_code" => Some("upstream_id"),
        "downstream_code" => Some("downstream_id"),
        _ => None,
    }
}

/// The schema of a record as it is shown.
pub(crate) struct View<R>(Documented<R>);

impl<R: Resource> View<R> {
    /// Returns the schema under construction, for views that show less of it.
    pub(crate) fn shape() -> Shape {
        let en = format!("{} as recorded. Unknown members are null.", article(R::NAME));
        let mut view = object(&both(&en, &format!("登録されている{}。不明な項目はnull", R::NAME_JA)));
        let id = openapi::id_schema("The id, the same in all versions.\nja: 記録のID。どの版でも同じ");
        view = view.property("id", id, true);
        for field in R::FIELDS {
            if let Some(id) = id_name::<R>(field.name) {
                let (en, ja) =
                    if field.is_required { ("", "") } else { ("; null for the buyer", "。発注者ならnull") };
                let en = format!("The id of the supplier that `{}` names{en}.", field.name);
                let schema = openapi::id_schema(&both(&en, &format!("`{}` の取引先のID{ja}", field.name)));
                view = view.property(id, if field.is_required { schema } else { schema.or_null() }, true);
            }
            let schema = openapi::field_schema(field);
            view = view.property(field.name, if field.is_required { schema } else { schema.or_null() }, true);
        }
        for field in R::SHOWN {
            view = view.property(field.name, openapi::field_schema(field).or_null(), true);
        }
        let source = "The source of the record: `manual` if it was entered by hand, else the source of the import.\nja: \
                      記録の出所。手で登録したものは `manual`、取り込んだものは取り込みの出所";
        view = view.property("source", openapi::text_schema(source, "manual"), true);
        if R::HAS_EXTERNAL_ID {
            let text = "The id of the record in its source; null if it has none there. `source` and `external_id` together \
                        identify the record.\nja: \
                        出所での外部ID。なければnull。`source` と `external_id` の組で記録を特定する";
            view = view.property("external_id", openapi::text_schema(text, "E0").or_null(), true);
        }
        openapi::meta_properties(view)
    }
}

impl<R: Resource> PartialSchema for View<R> {
    fn schema() -> RefOr<Schema> {
        Self::shape().into()
    }
}

impl<R: Resource> ToSchema for View<R> {
    fn name() -> Cow<'static, str> {
        R::NAME.into()
    }
}

/// The schema of the body that creates or replaces a record.
pub(crate) struct CreateBody<R>(Documented<R>);

impl<R: Resource> CreateBody<R> {
    /// Returns the schema under construction, for bodies that may set less of it.
    pub(crate) fn shape() -> Shape {
        let en = format!("{} to record. Omitted fields are unknown.", article(R::NAME));
        let mut body = object(&both(&en, &format!("登録する{}。省略した項目は不明として扱う", R::NAME_JA)));
        for field in R::FIELDS {
            let schema = openapi::field_schema(field);
            let schema = if field.is_required { schema } else { schema.or_null() };
            body = body.property(field.name, schema, field.is_required);
        }
        openapi::origin_properties(body, R::HAS_EXTERNAL_ID).closed()
    }
}

impl<R: Resource> PartialSchema for CreateBody<R> {
    fn schema() -> RefOr<Schema> {
        Self::shape().into()
    }
}

impl<R: Resource> ToSchema for CreateBody<R> {
    fn name() -> Cow<'static, str> {
        format!("Create{}", R::NAME).into()
    }
}

/// The schema of the body that replaces a record. Its key is in the address.
pub(crate) struct ReplaceBody<R>(Documented<R>);

impl<R: Resource> PartialSchema for ReplaceBody<R> {
    fn schema() -> RefOr<Schema> {
        let text = "The whole record: omitted fields become unknown. Its key is in the address.\nja: \
                    記録の全項目。省略した項目は不明になる。キーはアドレスで指定する";
        let mut body = object(text);
        for field in R::FIELDS {
            let schema = openapi::field_schema(field);
            let schema = if field.is_required { schema } else { schema.or_null() };
            body = body.property(field.name, schema, field.is_required && field.name != R::KEY_FIELD);
        }
        body.closed().into()
    }
}

impl<R: Resource> ToSchema for ReplaceBody<R> {
    fn name() -> Cow<'static, str> {
        format!("Put{}", R::NAME).into()
    }
}

/// The schema of a merge patch of a record.
pub(crate) struct ChangeBody<R>(Documented<R>);

impl<R: Resource> PartialSchema for ChangeBody<R> {
    fn schema() -> RefOr<Schema> {
        let text = "A JSON Merge Patch (RFC 7396): omitted fields stay, and null makes a field unknown.\nja: \
                    JSON Merge Patch（RFC 7396）。省略した項目は変わらず、nullの項目は不明になる";
        let mut body = object(text);
        for field in R::FIELDS {
            let schema = openapi::field_schema(field);
            body = body.property(field.name, if field.is_required { schema } else { schema.or_null() }, false);
        }
        body.closed().into()
    }
}

impl<R: Resource> ToSchema for ChangeBody<R> {
    fn name() -> Cow<'static, str> {
        format!("Change{}", R::NAME).into()
    }
}

/// The schema of the body that retracts a record.
pub(crate) struct RetractBody;

impl PartialSchema for RetractBody {
    fn schema() -> RefOr<Schema> {
        let text = "Why the record is retracted.\nja: 記録を取り消す理由";
        let reason = openapi::text_schema(text, "Reported for the wrong firm");
        object("The reason for a retraction.\nja: 取り消しの理由")
            .property("reason", reason.min_length(1).max_length(2000), true)
            .closed()
            .into()
    }
}

impl ToSchema for RetractBody {
    fn name() -> Cow<'static, str> {
        "Retract".into()
    }
}

/// Returns the summary of an operation in both languages. `{}` in the Japanese text is where the kind's name goes.
pub(crate) fn summary<R: Resource>(en: &str, ja: &str) -> String {
    both(en, &ja.replace("{}", R::NAME_JA))
}

/// Returns a name in words, with its article: `An enrollment`.
fn article(name: &str) -> String {
    let words = name.chars().enumerate().fold(String::new(), |mut words, (place, character)| {
        if character.is_uppercase() && place > 0 {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
        words
    });
    let article = if words.starts_with(['a', 'e', 'i', 'o', 'u']) { "An" } else { "A" };
    format!("{article} {words}")
}

/// Returns the keys of a closed set, for texts.
pub(crate) fn keys<C: Choice>() -> Vec<&'static str> {
    C::ALL.iter().map(|(_, key, _)| *key).collect()
}
