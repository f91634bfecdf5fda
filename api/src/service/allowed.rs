//! Which methods a path has, for the answer to one that it lacks.

use actix_web::http::Method;
use utoipa::openapi::OpenApi;

/// The paths of the document with their methods.
pub(crate) struct Allowed(Vec<(Vec<String>, String)>);

impl Allowed {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (Method::GET, item.get.is_some()),
                (Method::POST, item.post.is_some()),
                (Method::PUT, item.put.is_some()),
                (Method::PATCH, item.patch.is_some()),
                (Method::DELETE, item.delete.is_some()),
            ];
            let names: Vec<_> = methods.iter().filter(|(_, has)| *has).map(|(method, _)| method.as_str()).collect();
            (path.split('/').map(str::to_owned).collect(), names.join(", "))
        });
        Self(paths.collect())
    }

    /// The methods of a path, where there is such a path.
    pub(crate) fn methods(&self, path: &str) -> Option<&str> {
        let asked: Vec<&str> = path.split('/').collect();
        let fits = |known: &[String]| {
            known.len() == asked.len()
                && known.iter().zip(&asked).all(|(known, asked)| known.starts_with('{') || known == asked)
        };
        // A path without parameters before one with: /suppliers/by-code is no id.
        let mut found: Vec<_> = self.0.iter().filter(|(known, _)| fits(known)).collect();
        found.sort_by_key(|(known, _)| known.iter().filter(|part| part.starts_with('{')).count());
        found.first().map(|(_, methods)| methods.as_str())
    }
}
