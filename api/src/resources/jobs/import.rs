//! What a job shows of an import: its request and its result.

use schema::RecordKind;
use utoipa::openapi::{RefOr, Schema};

use crate::http::openapi::{Shape, choice_schema, flag_schema, object, text_schema, whole_schema};
use crate::records::keys;

/// Returns the schema of the request.
pub(super) fn request_schema() -> Shape {
    let kind = choice_schema("What the file holds, where that was said.", &keys::<RecordKind>(), "suppliers");
    let mode = choice_schema("What happens to good rows if others are bad.", &keys::<schema::ImportMode>(), "replace");
    object("What was asked for.")
        .property("kind", kind.or_null(), true)
        .property("source", text_schema("The source of the rows.", "erp"), true)
        .property("mode", mode, true)
        .property("dry_run", flag_schema("Whether it is a dry run, which stores nothing.", false), true)
        .property("confirm", flag_schema("Whether more than 20% of the records may end.", false), true)
        .property(
            "accept_unread_columns",
            flag_schema("Whether columns that scores rest on may be left out.", false),
            false,
        )
        .property("format", choice_schema("The format.", &["csv", "ndjson", "xlsx"], "csv"), true)
        .property("bytes", whole_schema("The size of the file.", 1_797_873), true)
        .property("today", text_schema("The buyer's day when it was asked for.", "2026-09-30"), true)
        .property(
            "provider_name",
            text_schema("The provider that sent the rows, if a provider did.", "事業者01").or_null(),
            true,
        )
}

/// Returns the schema of the result.
pub(super) fn result_schema() -> Shape {
    let count = |text: &str| whole_schema(text, 0);
    let counts = |shape: Shape| {
        shape
            .property("created", count("Rows that made a record."), true)
            .property("updated", count("Rows that made a new version."), true)
            .property("unchanged", count("Rows that said nothing new."), true)
            .property("rejected", count("Rows that are bad."), true)
            .property("ended", count("Records that a replacing import has ended."), true)
    };
    let table = counts(
        object("One table.")
            .property("kind", choice_schema("What it holds.", &keys::<RecordKind>(), "suppliers"), true)
            .property("name", text_schema("The sheet.", "取引先").or_null(), true),
    );
    let tables = utoipa::openapi::ArrayBuilder::new()
        .items(RefOr::from(table))
        .description(Some("Each table by itself."))
        .build();
    let rows = utoipa::openapi::ArrayBuilder::new()
        .items(RefOr::from(whole_schema("A row.", 12)))
        .description(Some("The first rows."))
        .build();
    let group = object("Findings of one kind in one column.")
        .property("is_warning", flag_schema("Whether the rows were imported nevertheless.", false), true)
        .property("code", text_schema("The stable code of the reason.", "not-a-number"), true)
        .property("sheet", text_schema("The sheet, or the file of a folder.", "取引先").or_null(), true)
        .property("column", text_schema("The column.", "employee_count").or_null(), true)
        .property("count", whole_schema("The number of findings.", 25_358), true)
        .property("rows", RefOr::T(Schema::Array(rows)), true)
        .property("value", text_schema("The value of the first of them.", "80名").or_null(), true)
        .property(
            "detail",
            text_schema("What is wrong with the first of them.", "not a number; write digits only"),
            true,
        );
    let groups = utoipa::openapi::ArrayBuilder::new()
        .items(RefOr::from(group))
        .description(Some("The findings by kind, faults first; a hundred kinds at most."))
        .build();
    let failure = object("Why it ended without effect; null if it did not.")
        .property("code", text_schema("The stable code.", "not-utf-8"), true)
        .property("detail", text_schema("What was wrong and what to do.", "not UTF-8; save the file as UTF-8"), true)
        .property("sheet", text_schema("The sheet.", "取引先").or_null(), true)
        .property("row", whole_schema("The row or line.", 1).or_null(), true)
        .property("column", text_schema("The column.", "supplier_code").or_null(), true);
    counts(object("The result of an import; null until it has ended."))
        .property(
            "is_kept",
            flag_schema("Whether anything was stored: not by a dry run or a failed import.", true),
            true,
        )
        .property("tables", RefOr::T(Schema::Array(tables)), true)
        .property("finding_count", whole_schema("How many findings there are.", 0), true)
        .property("finding_groups", RefOr::T(Schema::Array(groups)), true)
        .property("findings_url", text_schema("Where they are.", "/v1/imports/0199…/findings"), true)
        .property("failure", failure.or_null(), true)
}
