//! Provider assignments: which お助け隊 operator may send evidence for which supplier.

use schema::provider_assignments::{ProviderAssignment, ProviderAssignmentFilter};
use schema::{ExternalId, RecordKind};

use crate::base::fields::{Field, Fields};
use crate::records::{Key, Resource, link_routes, resource};

impl Resource for ProviderAssignment {
    const KIND: RecordKind = RecordKind::ProviderAssignments;
    const NAME: &'static str = "ProviderAssignment";
    const NAME_JA: &'static str = "事業者の担当";
    const PATH: &'static str = "/v1/provider-assignments";
    const HAS_EXTERNAL_ID: bool = false;
    const KEY_FIELD: &'static str = "supplier_code";

    resource! {
        ProviderAssignment {
            suppliers {
                supplier_id = "supplier_code" by supplier true:
                    ("取引先コード", "担当する取引先のコード", "The code of the assigned supplier", "S0000001");
            }
            fields {
                provider_name: ("事業者名", "記録を送ってよいお助け隊事業者", "The provider that may send evidence of the supplier", "事業者01");
            }
        }
    }

    const FILTERS: &'static [Field] = &[Field::of::<ProviderAssignment, _>(
        |row| &row.provider_name,
        "provider_name",
        ("事業者名", "この事業者の担当だけ", "Only assignments to this provider", "事業者01"),
    )];

    fn read_filter(fields: &mut Fields<'_>) -> Option<ProviderAssignmentFilter> {
        Some(ProviderAssignmentFilter { provider_name: fields.value("provider_name", None)? })
    }

    fn key(&self, _: Option<&ExternalId>) -> Option<Key> {
        Some(Key::Fixed(format!("{}\u{1f}{}", self.provider_name, self.supplier_id)))
    }
}

link_routes! {
    ProviderAssignment, "provider_assignments", one "a provider assignment", many "provider assignments", Admin = "admin";
    "/provider-assignments": list_provider_assignments, create_provider_assignment;
    "/provider-assignments/{id}": get_provider_assignment, delete_provider_assignment;
}
