//! The rules by name.

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident => $name:literal;)*) => {
        /// A rule of the document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule { $($(#[$doc])* $rule,)* }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// Returns the name with which findings end.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }
        }
    };
}

rules! {
    /// An operation has a unique operationId in snake_case that begins with a verb.
    OperationId => "operation-id";
    /// An operation has a summary.
    Summary => "summary";
    /// An operation has a description.
    Description => "description";
    /// An operation has one tag, which the document declares.
    Tag => "tag";
    /// An operation says which token it needs, or that it needs none.
    Security => "security";
    /// An operation that needs a token documents 401, 403, 500 and 503.
    TokenProblems => "token-problems";
    /// A 4xx or 5xx answer is `application/problem+json` with the schema Problem.
    Problem => "problem";
    /// A request body and the body of a 2xx answer have a schema.
    BodySchema => "body-schema";
    /// A schema that a body refers to has a description.
    SchemaDescription => "schema-description";
    /// A body has an example, or every leaf of its schema has one. Examples fit type and enum.
    Example => "example";
    /// An array describes its items with `items`.
    ArrayItems => "array-items";
    /// There is no `prefixItems`: most client generators do not support it.
    PrefixItems => "prefix-items";
    /// A text of a request body is limited by maxLength, enum, const, format or pattern.
    TextLimit => "text-limit";
    /// An object of a request body allows no other properties.
    ClosedObject => "closed-object";
    /// A parameter has a description, a schema and an example, and occurs once.
    Parameter => "parameter";
    /// The parameters in a path's template are declared and required.
    PathParameter => "path-parameter";
    /// A list with `limit` has `cursor`.
    ListCursor => "list-cursor";
    /// The names of properties and parameters are in snake_case.
    Name => "name";
    /// A `$ref` can be resolved.
    Reference => "reference";
    /// A schema among the components is used.
    UnusedSchema => "unused-schema";
    /// A response among the components is used.
    UnusedResponse => "unused-response";
    /// A schema does not have the name of a type that languages have: in generated clients one would hide the other.
    SchemaName => "schema-name";
    /// The title is ASCII, because generated packages are named after it.
    Title => "title";
    /// If a request body has several types, the first is `application/octet-stream`: many generated clients support no
    /// other.
    FirstType => "first-type";
    /// Every summary and description of the Japanese document is Japanese.
    Japanese => "japanese";
    /// A set of values in an answer is open (`x-extensible-enum`): a new value must not break a client.
    OpenEnum => "open-enum";
}
