//! The rules by name.

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident => $name:literal;)*) => {
        /// A rule of the document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule { $($(#[$doc])* $rule,)* }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// The name, as findings end with it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }
        }
    };
}

rules! {
    /// An operation has an operationId of its own, in snake_case, that begins with what it does.
    OperationId => "operation-id";
    /// An operation has a summary.
    Summary => "summary";
    /// An operation has a description.
    Description => "description";
    /// An operation has one tag, which the document declares.
    Tag => "tag";
    /// An operation says which token it needs, or that it needs none.
    Security => "security";
    /// An operation that needs a token has 401, 403, 500 and 503.
    TokenProblems => "token-problems";
    /// A 4xx or 5xx is `application/problem+json` with the schema Problem.
    Problem => "problem";
    /// A request body and the body of a 2xx have a schema.
    BodySchema => "body-schema";
    /// A schema that a body leads to has a description.
    SchemaDescription => "schema-description";
    /// A body has an example, or every leaf of its schema has one; examples fit type and enum.
    Example => "example";
    /// An array says what its items are, other than one by one.
    ArrayItems => "array-items";
    /// No `prefixItems`: most generators of clients do not know it.
    PrefixItems => "prefix-items";
    /// A text of a request body is limited by maxLength, enum, const, format or pattern.
    TextLimit => "text-limit";
    /// An object of a request body takes no other properties.
    ClosedObject => "closed-object";
    /// A parameter has a description, a schema and an example, and is there once.
    Parameter => "parameter";
    /// The parameters in a path's template are those that are declared, and required.
    PathParameter => "path-parameter";
    /// A list with `limit` has `cursor`.
    ListCursor => "list-cursor";
    /// Properties and parameters are called in snake_case.
    Name => "name";
    /// A `$ref` leads somewhere.
    Reference => "reference";
    /// A schema among the components is used.
    UnusedSchema => "unused-schema";
    /// A response among the components is used.
    UnusedResponse => "unused-response";
    /// A schema is not called like a type that languages have: generated clients would hide the one behind the other.
    SchemaName => "schema-name";
    /// The title is ASCII: generated packages are called after it.
    Title => "title";
    /// Of several types of a request body the first is `application/octet-stream`: many generated clients know no other.
    FirstType => "first-type";
    /// A set of values in an answer is open (`x-extensible-enum`): a new value must not break a client.
    OpenEnum => "open-enum";
}
