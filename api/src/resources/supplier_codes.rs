//! Further codes of suppliers: which firm the code of a purchasing system names.

use schema::supplier_codes::{self, SystemCode, SystemCodeFilter};
use schema::{ExternalId, RecordKind, RepoError, Stored, Tx, suppliers};

use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Fields};
use crate::records::{Key, Resource, link_routes, resource};

impl Resource for SystemCode {
    const KIND: RecordKind = RecordKind::SupplierCodes;
    const NAME: &'static str = "SupplierCodeMapping";
    const NAME_JA: &'static str = "取引先コード対応";
    const PATH: &'static str = "/v1/supplier-codes";
    const HAS_EXTERNAL_ID: bool = false;
    const KEY_FIELD: &'static str = "code";

    resource! {
        SystemCode {
            suppliers {
                supplier_id = "supplier_code" by supplier true:
                    ("取引先コード", "このコードが指す取引先の、発注者のコード", "The buyer's code of the supplier that this code identifies", "S0000001");
            }
            fields {
                system: ("システム", "このコードを使う購買システム", "The purchasing system that uses the code", "sap");
                company: ("会社コード", "システムの中の会社。1社なら空", "The code of the company within the system. Omitted if the system has one company", "1000");
                code: ("コード", "そのシステムでのコード", "The code in that system", "0000100123");
            }
        }
    }

    const FILTERS: &'static [Field] = &[
        Field::of::<SystemCode, _>(
            |row| &row.system,
            "system",
            ("システム", "このシステムのコードだけ", "Only codes of this system", "sap"),
        ),
        Field::of::<SystemCode, _>(
            |row| &row.company,
            "company",
            ("会社コード", "この会社のコードだけ", "Only codes of this company", "1000"),
        ),
        Field::of::<SystemCode, _>(
            |row| &row.code,
            "code",
            ("コード", "このコードだけ", "Only this code", "0000100123"),
        ),
    ];

    fn read_filter(fields: &mut Fields<'_>) -> Option<SystemCodeFilter> {
        let system = fields.value("system", None);
        let company = fields.value("company", None);
        let code = fields.value("code", None);
        Some(SystemCodeFilter { system: system?, company: company?, code: code? })
    }

    fn key(&self, _: Option<&ExternalId>) -> Option<Key> {
        Some(Key::Fixed(Self::key(&self.system, self.company.as_ref(), &self.code)))
    }

    fn changes(tx: &mut Tx, rows: &[(Option<&Self>, &Stored<Self>)]) -> Result<Vec<Vec<Fault>>, RepoError> {
        let keys: Vec<String> = rows.iter().map(|(_, stored)| stored.meta.record_key.clone()).collect();
        // A code that was deleted and has come back has moved too.
        let former = supplier_codes::former_suppliers(tx, &keys)?;
        let ids = rows.iter().map(|(_, stored)| stored.attributes.supplier_id).chain(former.values().copied());
        let known = suppliers::references(tx, ids, None)?;
        let moved = rows.iter().map(|(_, stored)| {
            let was = former.get(&stored.meta.record_key).and_then(|id| known.get(id));
            let now = known.get(&stored.attributes.supplier_id);
            let moved = was.zip(now).filter(|(was, now)| was.id != now.id);
            let warning = moved.map(|(was, now)| {
                let (was, now) = (was.code.to_string(), now.code.to_string());
                Fault::new("supplier_code", Reason::CodeMoved { was, now })
            });
            warning.into_iter().collect()
        });
        Ok(moved.collect())
    }
}

link_routes! {
    SystemCode, "supplier_codes", one "a supplier code", many "supplier codes", Analyst = "analyst";
    "/supplier-codes": list_supplier_codes, create_supplier_code;
    "/supplier-codes/{id}": get_supplier_code, delete_supplier_code;
}
