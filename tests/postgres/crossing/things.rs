//! What one buyer has that a request of another one can name.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::buyers::{Buyer, Buyers, MARK, code, walled_tables};
use crate::support::{Client, Operation, id, operations};

/// What one buyer has that a request of another one can name.
pub(super) struct Things {
    pub(super) ids: Vec<String>,
    /// Codes, keys, names and all other texts without spaces.
    pub(super) texts: Vec<String>,
    pub(super) cursors: Vec<String>,
    pub(super) tags: Vec<String>,
    /// The hashes of the inputs of runs.
    pub(super) hashes: Vec<String>,
}

impl Buyer {
    /// Returns the client with the role that an operation requires.
    pub(super) fn client(&self, operation: &Operation) -> &Client {
        match operation.role {
            Some("provider") => &self.provider,
            Some("supplier") => &self.supplier,
            _ => &self.admin,
        }
    }
}

impl Things {
    /// Returns what the other buyer has and we do not have.
    pub(super) fn of_theirs(buyers: &Buyers) -> Self {
        let mut sql = buyers.superuser();
        let tables = walled_tables(&mut sql);
        let all = |buyer: &Buyer| {
            let all = tables.iter().map(|table| {
                format!(
                    "SELECT text FROM {table} t, jsonb_each_text(to_jsonb(t)) AS e (name, text) WHERE tenant_id = '{}'",
                    buyer.id
                )
            });
            all.collect::<Vec<_>>().join(" UNION ")
        };
        let theirs = format!("SELECT text FROM ({}) t EXCEPT ({})", all(&buyers.theirs), all(&buyers.ours));
        let mut like = |form: &str| {
            sql.texts(&format!("SELECT text FROM ({theirs}) v WHERE text ~ '^{form}$' ORDER BY 1")).unwrap()
        };
        let things = Self {
            ids: like("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
            texts: like(&format!("{MARK}[-a-z0-9]+")),
            cursors: cursors(&buyers.theirs),
            tags: tags(&buyers.theirs),
            hashes: like("[0-9a-f]{64}"),
        };
        let counts = [things.ids.len(), things.texts.len(), things.cursors.len(), things.tags.len()];
        assert!(counts[0] > 150 && counts[1] > 75 && counts[2] > 15 && counts[3] > 30, "{counts:?}");
        things
    }
}

/// The records of ours that our requests name.
pub(super) struct Own {
    pub(super) supplier: String,
    pub(super) import: String,
}

impl Own {
    pub(super) fn of(buyer: &Buyer) -> Self {
        let supplier = buyer.admin.get(&format!("/v1/suppliers/by-code?code={}", code("ours", 3)));
        let jobs = buyer.admin.get("/v1/jobs?limit=1000").json["items"].clone();
        let import = jobs.as_array().unwrap().iter().find(|job| job["kind"] == "import").unwrap().clone();
        Self { supplier: id(&supplier.json).to_owned(), import: id(&import).to_owned() }
    }
}

/// Returns the lists that have no id in their path.
fn lists() -> Vec<Operation> {
    operations().into_iter().filter(|one| one.query.contains(&"cursor") && !one.path.contains("{id}")).collect()
}

/// Returns a cursor of each list, and further ones with a filter or in another order if the list has these.
fn cursors(buyer: &Buyer) -> Vec<String> {
    let mut cursors = BTreeSet::new();
    for list in lists() {
        let more = [("sort", "&sort=-recorded_at"), ("include_ended", "&include_ended=true")];
        let more = more.into_iter().filter(|(name, _)| list.query.contains(name)).map(|(_, more)| more);
        for more in [""].into_iter().chain(more) {
            let page = buyer.client(&list).get(&format!("{}?limit=1{more}", list.path));
            cursors.extend(page.json["next_cursor"].as_str().map(str::to_owned));
        }
    }
    cursors.into_iter().collect()
}

/// Returns entity tags of single records, and of some of each list.
fn tags(buyer: &Buyer) -> Vec<String> {
    let mut paths: Vec<(String, Operation)> = Vec::new();
    for operation in operations().into_iter().filter(|operation| operation.method == "GET" && operation.role.is_some())
    {
        let (list, rest) = operation.path.split_once("/{id}").unwrap_or((&operation.path, "none"));
        if rest.is_empty() {
            let items = buyer.client(&operation).get(&format!("{list}?limit=4")).json["items"].clone();
            let items: Vec<Value> = items.as_array().cloned().unwrap_or_default();
            let ids = items.iter().filter_map(|item| item["id"].as_str().or(item["supplier_id"].as_str()));
            let list = list.to_owned();
            paths.extend(ids.map(|id| (format!("{list}/{id}"), operation.clone())));
        } else if rest == "none" && operation.query.is_empty() {
            paths.push((operation.path.clone(), operation));
        }
    }
    let tags = paths
        .iter()
        .filter_map(|(path, operation)| buyer.client(operation).get(path).header("etag").map(str::to_owned));
    tags.collect::<BTreeSet<_>>().into_iter().collect()
}
