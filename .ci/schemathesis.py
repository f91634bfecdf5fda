"""What the API document cannot say: rules between fields, rules about stored data, and what the bytes of a file are.

A request that the document calls valid may be refused by these, and by nothing else.
"""

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

BEYOND_THE_SCHEMA = {
    # About what is stored.
    "unknown-supplier", "not-assigned", "bad-cursor", "not-an-id", "scores-replaced", "key-taken", "merged-away",
    # Between fields, and about the buyer's day.
    "in-the-future", "ends-before-start", "expires-before-issue", "harmful-count", "self-supply", "not-together",
    "expires-before-assessment", "missing-status", "missing-total", "status-of-self-assessment", "total-of-control",
    "differs-from-address", "repeated-field",
    # Of texts.
    "check-digit", "reserved-source",
    # About the sender.
    "not-by-providers",
    # Of files.
    "bad-gzip", "empty-file", "format-differs", "missing-file", "not-a-table", "not-a-workbook", "not-ndjson",
    "password-protected", "several-files",
}
# Needed beside another parameter or member.
NEEDED_BESIDE = {"system", "kind", "#/system", "#/supplier_code", "#/mail_address", "#/phone_number", "#/provider_name", "#/file"}


def is_beyond(fault):
    if fault["code"] == "missing-value":
        return fault["pointer"] in NEEDED_BESIDE
    return fault["code"] in BEYOND_THE_SCHEMA


@schemathesis.check
def accepted_unless_a_rule_beyond_the_schema_refuses(ctx, response, case):
    if response.status_code in (400, 422):
        is_json = response.headers.get("content-type", [""])[0].endswith("json")
        faults = response.json().get("errors") if is_json else None
        if faults and all(is_beyond(fault) for fault in faults):
            return None
    return positive_data_acceptance(ctx, response, case)


@schemathesis.serializer("application/x-ndjson", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
def file(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.deserializer("text/csv", "application/x-ndjson")
def text(ctx, response):
    return response.content.decode("utf-8")


@schemathesis.deserializer(
    "application/octet-stream",
    "application/vnd.apache.parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
def binary(ctx, response):
    return response.content.decode("latin-1")
