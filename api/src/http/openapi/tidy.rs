//! Brings derived schemas into the form of those that are built from fields: flat, with every scalar where it is used.
//!
//! The derive refers to the schema of each member's type. Ids, times and closed sets of values would become components
//! with a name of their own, a flattened struct an `allOf`, and an optional member a `oneOf`. Few client generators make
//! good types of these.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{
    AllOf, ArrayItems, Components, KnownFormat, Object, OneOf, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

use super::{EXAMPLE_DAY, answered, here, requested, target};

type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Tidies all schemas, and removes the components that nothing refers to afterwards.
pub(super) fn tidy(components: &mut Components, operations: &mut [&mut Operation]) {
    let known = components.schemas.clone();
    components.schemas.values_mut().for_each(|schema| tidy_schema(schema, &known));
    for operation in operations.iter_mut() {
        requested(operation).for_each(|(_, schema)| tidy_schema(schema, &known));
        answered(operation).for_each(|schema| tidy_schema(schema, &known));
        let parameters = operation.parameters.iter_mut().flatten().filter_map(here);
        parameters.filter_map(|parameter| parameter.schema.as_mut()).for_each(|schema| tidy_schema(schema, &known));
    }
    let mut used = BTreeSet::new();
    for operation in operations.iter_mut() {
        requested(operation).for_each(|(_, schema)| collect(schema, &components.schemas, &mut used));
        answered(operation).for_each(|schema| collect(schema, &components.schemas, &mut used));
    }
    // Responses refer to it, and they are written later.
    collect(&RefOr::Ref(Ref::from_schema_name("Problem")), &components.schemas, &mut used);
    components.schemas.retain(|name, _| used.contains(name));
}

/// Collects the names of the components that a schema refers to.
fn collect(schema: &RefOr<Schema>, known: &Schemas, used: &mut BTreeSet<String>) {
    match schema {
        RefOr::Ref(_) => {
            let Some(name) = target(schema) else { return };
            if used.insert(name.to_owned())
                && let Some(schema) = known.get(name)
            {
                collect(schema, known, used);
            }
        }
        RefOr::T(Schema::Object(object)) => object.properties.values().for_each(|part| collect(part, known, used)),
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &array.items {
                collect(items, known, used);
            }
        }
        RefOr::T(Schema::OneOf(one)) => one.items.iter().for_each(|part| collect(part, known, used)),
        RefOr::T(_) => {}
    }
}

fn tidy_schema(schema: &mut RefOr<Schema>, known: &Schemas) {
    let tidied = match schema {
        RefOr::Ref(reference) => inlined(reference, known),
        RefOr::T(Schema::AllOf(all)) => Some(merged(all, known)),
        RefOr::T(Schema::OneOf(one)) => nullable(one, known),
        RefOr::T(Schema::Array(array)) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                tidy_schema(items, known);
            }
            None
        }
        RefOr::T(Schema::Object(object)) => {
            object.properties.values_mut().for_each(|part| tidy_schema(part, known));
            add_example(object);
            None
        }
        RefOr::T(_) => None,
    };
    if let Some(tidied) = tidied {
        *schema = tidied;
    }
}

/// Returns the schema that a reference leads to, unless it is an object, which keeps its name.
fn inlined(reference: &Ref, known: &Schemas) -> Option<RefOr<Schema>> {
    let mut schema = known.get(reference.ref_location.rsplit('/').next()?)?.clone();
    match &schema {
        RefOr::T(Schema::Object(object)) if object.properties.is_empty() => {}
        RefOr::Ref(_) | RefOr::T(Schema::Array(_)) => {}
        RefOr::T(_) => return None,
    }
    tidy_schema(&mut schema, known);
    if !reference.description.is_empty() {
        describe(&mut schema, &reference.description);
    }
    Some(schema)
}

/// Returns one object with the properties of all. Later ones take precedence. The description is that of the struct, not of
/// what is flattened into it.
fn merged(all: &AllOf, known: &Schemas) -> RefOr<Schema> {
    let mut whole = Object::new();
    whole.description.clone_from(&all.description);
    for part in &all.items {
        let mut part = match target(part) {
            Some(name) => known.get(name).unwrap_or(part).clone(),
            None => part.clone(),
        };
        tidy_schema(&mut part, known);
        if let RefOr::T(Schema::Object(part)) = part {
            whole.properties.extend(part.properties);
            whole.required.extend(part.required);
            whole.description = whole.description.or(part.description);
        }
    }
    RefOr::T(Schema::Object(whole))
}

/// Returns the schema of an optional member: a scalar takes null as another type, and an object stays a choice.
fn nullable(one: &mut OneOf, known: &Schemas) -> Option<RefOr<Schema>> {
    one.items.iter_mut().for_each(|part| tidy_schema(part, known));
    let is_null = |part: &RefOr<Schema>| matches!(part, RefOr::T(Schema::Object(part)) if part.schema_type == SchemaType::Type(Type::Null));
    let (mut parts, nulls): (Vec<_>, Vec<_>) = one.items.clone().into_iter().partition(|part| !is_null(part));
    if parts.len() != 1 || nulls.len() != 1 {
        return None;
    }
    let mut part = parts.pop()?;
    if let RefOr::Ref(reference) = &part {
        // The description is that of the member, which says what null means.
        one.description = one.description.take().or(Some(reference.description.clone()));
        one.items = vec![RefOr::Ref(Ref::new(reference.ref_location.clone())), nulls.into_iter().next()?];
        return None;
    }
    match &mut part {
        RefOr::T(Schema::Object(object)) => {
            or_null(&mut object.schema_type);
            if let Some(values) = &mut object.enum_values {
                values.push(serde_json::Value::Null);
            }
        }
        RefOr::T(Schema::Array(array)) => or_null(&mut array.schema_type),
        _ => return None,
    }
    if let Some(description) = &one.description {
        describe(&mut part, description);
    }
    Some(part)
}

fn or_null(kind: &mut SchemaType) {
    if let SchemaType::Type(known) = kind {
        *kind = SchemaType::Array(vec![known.clone(), Type::Null]);
    }
}

fn describe(schema: &mut RefOr<Schema>, text: &str) {
    match schema {
        RefOr::T(Schema::Object(object)) => object.description = Some(text.to_owned()),
        RefOr::T(Schema::Array(array)) => array.description = Some(text.to_owned()),
        _ => {}
    }
}

/// Gives days and flags an example. All other values have one of their own.
fn add_example(object: &mut Object) {
    // The derive writes the form of OpenAPI 3.0.
    object.examples.extend(object.example.take());
    if !object.examples.is_empty() {
        return;
    }
    let is = |kind: Type| match &object.schema_type {
        SchemaType::Type(known) => *known == kind,
        SchemaType::Array(known) => known.contains(&kind),
        SchemaType::AnyValue => false,
    };
    if object.format == Some(SchemaFormat::KnownFormat(KnownFormat::Date)) {
        object.examples.push(EXAMPLE_DAY.into());
    } else if is(Type::Boolean) {
        object.examples.push(true.into());
    }
}

/// Declares every member of an answer as required: members that are unknown are null, never absent.
pub(super) fn require_members(components: &mut Components, operations: &mut [&mut Operation]) {
    let requests = operations.iter_mut().flat_map(|operation| requested(operation));
    let requests: BTreeSet<_> = requests.filter_map(|(_, schema)| target(schema).map(str::to_owned)).collect();
    for (_, schema) in components.schemas.iter_mut().filter(|(name, _)| !requests.contains(*name)) {
        super::common::visit("", schema, &mut |_, object| {
            object.required = object.properties.keys().cloned().collect();
        });
    }
}
