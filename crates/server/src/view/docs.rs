//! The description of the API as a page, which needs nothing from elsewhere.

use super::marked::{Piece, code};
use super::{Chrome, render};
use crate::Error;
use crate::openapi::{DOCUMENT, resolve};
use askama::Template;
use axum::response::Html;
use serde_json::Value;

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    chrome: Chrome,
    about: Vec<Piece>,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

/// What belongs together.
struct Group {
    name: &'static str,
    operations: Vec<Operation>,
}

/// What can be asked of an address.
struct Operation {
    id: &'static str,
    method: String,
    path: &'static str,
    summary: Vec<Piece>,
    description: Vec<Piece>,
    parameters: Vec<Parameter>,
    /// The schema of the body, if there is one.
    body: Option<&'static str>,
    responses: Vec<Reply>,
}

struct Parameter {
    name: &'static str,
    place: &'static str,
    is_required: bool,
    description: Vec<Piece>,
    schema: String,
}

struct Reply {
    status: &'static str,
    description: Vec<Piece>,
    /// The schema of the body, if it has a name.
    schema: Option<&'static str>,
}

struct Schema {
    name: &'static str,
    text: String,
}

/// The page.
pub(crate) fn docs_page(chrome: Chrome) -> Result<Html<String>, Error> {
    let name = |tag: &'static Value| text(&tag["name"]);
    let groups = list(&DOCUMENT["tags"]).map(|tag| Group { name: name(tag), operations: operations_of(name(tag)) });
    let schemas = members(&DOCUMENT["components"]["schemas"])
        .map(|(name, schema)| Schema { name, text: serde_json::to_string_pretty(schema).unwrap_or_default() });
    let about = code(text(&DOCUMENT["info"]["description"]));
    render(&DocsPage { chrome, about, groups: groups.collect(), schemas: schemas.collect() })
}

fn operations_of(tag: &str) -> Vec<Operation> {
    let all = members(&DOCUMENT["paths"])
        .flat_map(|(path, methods)| members(methods).map(move |(method, operation)| (path, method, operation)));
    let of_tag = all.filter(|(_, _, operation)| text(&operation["tags"][0]) == tag);
    of_tag.map(|(path, method, operation)| describe(path, method, operation)).collect()
}

fn describe(path: &'static str, method: &str, operation: &'static Value) -> Operation {
    let parameters = list(&operation["parameters"]).map(resolve).map(|parameter| Parameter {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        is_required: parameter["required"] == true,
        description: code(text(&parameter["description"])),
        schema: parameter["schema"].to_string(),
    });
    let responses = members(&operation["responses"]).map(|(status, reply)| {
        let reply = resolve(reply);
        Reply { status, description: code(text(&reply["description"])), schema: schema_of(reply) }
    });
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_ascii_uppercase(),
        path,
        summary: code(text(&operation["summary"])),
        description: code(text(&operation["description"])),
        parameters: parameters.collect(),
        body: schema_of(&operation["requestBody"]),
        responses: responses.collect(),
    }
}

/// The name of the schema of a body.
fn schema_of(value: &'static Value) -> Option<&'static str> {
    let (_, content) = members(&value["content"]).next()?;
    content["schema"]["$ref"].as_str()?.rsplit('/').next()
}

fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or_default()
}

fn list(value: &'static Value) -> impl Iterator<Item = &'static Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
