//! What the document says about a path: its methods, for the answer to a method that it lacks; the names of its
//! operations; and whether they have parameters.

use std::collections::HashMap;

use actix_web::http::Method;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

/// The operations of the document, by path.
pub(crate) struct Operations {
    /// The paths without parameters. Each request looks up its own several times.
    plain: HashMap<String, Vec<PathOperation>>,
    with_parameters: Vec<(Vec<String>, Vec<PathOperation>)>,
}

/// An operation.
struct PathOperation {
    method: Method,
    /// Its `operationId`, or `None` for operations outside the document.
    id: Option<String>,
    /// Whether it has parameters in the query string. If not, it accepts none.
    reads_query: bool,
}

impl Operations {
    /// Collects the operations of the document, and GET of other paths, whose query strings are not checked.
    pub(crate) fn new(document: &OpenApi, others: impl Iterator<Item = String>) -> Self {
        let paths = document.paths.paths.iter().map(|(path, item)| {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let known = operations.into_iter().filter_map(|(method, operation)| {
                operation.as_ref().map(|operation| PathOperation {
                    method,
                    id: operation.operation_id.clone(),
                    reads_query: reads_query(operation),
                })
            });
            (path.clone(), known.collect())
        });
        let read = || vec![PathOperation { method: Method::GET, id: None, reads_query: true }];
        let paths = paths.chain(others.map(|path| (path, read())));
        let (with_parameters, plain): (Vec<_>, Vec<_>) = paths.partition(|(path, _)| path.contains('{'));
        let split = |path: String| path.split('/').map(str::to_owned).collect();
        Self {
            plain: plain.into_iter().collect(),
            with_parameters: with_parameters.into_iter().map(|(path, known)| (split(path), known)).collect(),
        }
    }

    /// Returns the operations of a path. If several match, the one with the fewest parameters wins: in
    /// /suppliers/by-code, `by-code` is not an id.
    fn operations(&self, path: &str) -> &[PathOperation] {
        if let Some(operations) = self.plain.get(path) {
            return operations;
        }
        let asked: Vec<&str> = path.split('/').collect();
        let fits = |known: &[String]| {
            known.len() == asked.len()
                && known
                    .iter()
                    .zip(&asked)
                    .all(|(known, asked)| (known.starts_with('{') && !asked.is_empty()) || known == asked)
        };
        let parameters = |known: &[String]| known.iter().filter(|part| part.starts_with('{')).count();
        let fitting = self.with_parameters.iter().filter(|(known, _)| fits(known));
        fitting.min_by_key(|(known, _)| parameters(known)).map_or(&[], |(_, operations)| operations)
    }

    /// Returns the methods of a path, if it exists.
    pub(crate) fn methods(&self, path: &str) -> Option<String> {
        let names: Vec<_> = self.operations(path).iter().map(|known| known.method.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Whether a path has a method. HEAD counts if it has GET.
    pub(crate) fn has(&self, path: &str, method: &Method) -> bool {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.operations(path).iter().any(|known| known.method == *method)
    }

    /// Returns the `operationId` of the operation that a request asks for.
    pub(crate) fn operation_id(&self, path: &str, method: &Method) -> Option<&str> {
        self.operations(path).iter().find(|known| known.method == *method)?.id.as_deref()
    }

    /// Whether an operation has no parameters in the query string, so that any parameter is unknown.
    pub(crate) fn reads_no_query(&self, path: &str, method: &Method) -> bool {
        self.operations(path).iter().any(|known| known.method == *method && !known.reads_query)
    }
}

fn reads_query(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|known| matches!(known, RefOr::T(known) if known.parameter_in == ParameterIn::Query))
}
