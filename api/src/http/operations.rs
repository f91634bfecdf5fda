//! What the document says of a path: which methods it has, for the answer to one that it lacks; the name of an operation;
//! and whether it takes parameters.

use std::collections::HashMap;

use actix_web::http::Method;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

/// The paths of the document with their operations.
pub(crate) struct Operations {
    /// Those without parameters: each request looks several of its own up.
    plain: HashMap<String, Vec<PathOperation>>,
    with_parameters: Vec<(Vec<String>, Vec<PathOperation>)>,
}

/// An operation.
struct PathOperation {
    method: Method,
    /// Its `operationId`; none of those that stand outside of the document.
    id: Option<String>,
    /// Whether it has parameters in the query string; one without takes none at all.
    reads_query: bool,
}

impl Operations {
    /// Those of the document, and others that are read and take no parameters.
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

    /// The operations of a path: of the one with the fewest parameters, for /suppliers/by-code is no id.
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

    /// The methods of a path, where there is such a path.
    pub(crate) fn methods(&self, path: &str) -> Option<String> {
        let names: Vec<_> = self.operations(path).iter().map(|known| known.method.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Whether a path has a method; HEAD where it has GET.
    pub(crate) fn has(&self, path: &str, method: &Method) -> bool {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.operations(path).iter().any(|known| known.method == *method)
    }

    /// The `operationId` of what a request asks for.
    pub(crate) fn operation_id(&self, path: &str, method: &Method) -> Option<&str> {
        self.operations(path).iter().find(|known| known.method == *method)?.id.as_deref()
    }

    /// Whether an operation has no parameter in the query string, so that any is unknown.
    pub(crate) fn reads_no_query(&self, path: &str, method: &Method) -> bool {
        self.operations(path).iter().any(|known| known.method == *method && !known.reads_query)
    }
}

fn reads_query(operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|known| matches!(known, RefOr::T(known) if known.parameter_in == ParameterIn::Query))
}
