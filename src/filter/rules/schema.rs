//! The JSON Schema of rule files (draft 2020-12), made of the same tables that read them.
//!
//! Editors complete and check by it. It knows every key, place and word; what a pattern or a formula holds,
//! and whether a rule or list that is named exists, only loading tells.

use serde_json::{Map, Value, json};

use super::asks;
use super::effect::{DESCRIPTION_BYTES, ID_BYTES, SCORE, WORD_BYTES};
use super::element::Element;
use super::example::REPEATS;
use super::list::NAME_BYTES;
use super::number::{Number, Unit};
use super::pattern::PATTERN_BYTES;
use super::place::{Place, Side};
use super::relation::Relation;
use crate::filter::Action;
use crate::mail::Flag;

/// The schema of a rule file.
pub fn rules_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mailweir rules",
        "description": "A file of rules for mailweir, version 1 of the language.",
        "type": "object",
        "required": ["version", "rules"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1, "description": "Version of the language." },
            "groups": {
                "type": "array",
                "items": { "$ref": "#/$defs/group" },
                "description": "Groups of rules whose points are capped together.",
            },
            "rules": { "type": "array", "items": { "$ref": "#/$defs/rule" } },
        },
        "$defs": {
            "group": group(),
            "rule": rule(),
            "condition": condition(),
            "pattern": {
                "type": "string",
                "minLength": 1,
                "maxLength": PATTERN_BYTES,
                "description": "A regular expression of the Rust regex crate.",
            },
            "texts": texts(json!({ "type": "string", "minLength": 1 })),
            "matcher": { "anyOf": [
                { "$ref": "#/$defs/pattern" },
                { "type": "object", "minProperties": 1, "additionalProperties": false, "properties": matcher() },
            ] },
            "header": of_header(&["name"], &[("name", json!({ "type": "string", "minLength": 1 })),
                ("raw", json!({ "type": "boolean", "description": "As received, not decoded." })),
                ("position", json!({ "$ref": "#/$defs/position" })),
                ("as", named(Side::NAMED.iter().map(|(name, _)| *name)))]),
            "headers": { "anyOf": [
                { "$ref": "#/$defs/pattern" },
                of_header(&[], &[("raw", json!({ "type": "boolean" }))]),
            ] },
            "position": { "anyOf": [
                { "enum": ["first", "last"] },
                { "type": "integer", "not": { "const": 0 } },
            ], "description": "From 1 at the top, from -1 at the bottom." },
            "size": { "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)?$" },
            ] },
            "bounds": bounds(json!({ "$ref": "#/$defs/size" })),
            "number": { "anyOf": [{ "type": "number" }, { "$ref": "#/$defs/size" }] },
            "interval": bounds(json!({ "$ref": "#/$defs/number" })),
            "share": bounds(json!({ "type": "number", "minimum": 0, "maximum": 1 })),
            "example": { "anyOf": [
                { "type": "string", "description": "A fragment that stands in every place of content." },
                { "$ref": "#/$defs/message" },
            ] },
            "message": message(),
            "link": element(Element::Link),
            "part": element(Element::Part),
            "attachment": element(Element::Attachment),
            "file": element(Element::File),
            "received": element(Element::Received),
            "auth_dkim": element(Element::Signature),
        },
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    json!({ "enum": names.collect::<Vec<_>>() })
}

/// One text, several, or a list in a file.
fn texts(text: Value) -> Value {
    json!({ "anyOf": [
        text,
        { "type": "array", "items": text, "minItems": 1 },
        object(&["list"], json!({ "list": {
            "type": "string",
            "pattern": format!("^[a-z0-9_-]{{1,{NAME_BYTES}}}$"),
            "description": "The list lists/NAME.txt beside the rule files.",
        } })),
    ] })
}

fn bounds(bound: Value) -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": { "at_least": bound, "at_most": bound },
    })
}

fn description() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": DESCRIPTION_BYTES })
}

fn word() -> Value {
    let longest = WORD_BYTES - 1;
    json!({ "type": "string", "pattern": format!("^[a-z][a-z0-9_-]{{0,{longest}}}$") })
}

fn cap() -> Value {
    json!({ "type": "number", "exclusiveMinimum": 0, "maximum": SCORE })
}

fn score() -> Value {
    json!({ "type": "number", "minimum": -SCORE, "maximum": SCORE })
}

fn group() -> Value {
    object(
        &["name", "description", "cap"],
        json!({ "name": word(), "description": description(), "cap": cap() }),
    )
}

fn rule() -> Value {
    let longest = ID_BYTES - 1;
    let actions = [
        Action::Deliver,
        Action::Tag,
        Action::Quarantine,
        Action::Tempfail,
        Action::Discard,
        Action::Reject,
    ];
    let examples = json!({ "type": "array", "items": { "$ref": "#/$defs/example" } });
    object(
        &["id", "description", "when"],
        json!({
            "id": { "type": "string", "pattern": format!("^[A-Z_][A-Z0-9_]{{0,{longest}}}$") },
            "description": description(),
            "score": score(),
            "per_occurrence": {
                "type": "object",
                "additionalProperties": false,
                "description": "Points for each occurrence instead of one score.",
                "properties": {
                    "score": score(),
                    "cap": cap(),
                    "at_most": { "type": "integer", "minimum": 1 },
                },
            },
            "group": word(),
            "silent": { "type": "boolean", "description": "Reports no hit and only serves other rules." },
            "decisive": named(actions.iter().map(|a| a.name())),
            "labels": texts(word()),
            "mode": { "enum": ["live", "shadow"], "description": "A rule in shadow mode is shown and counted, and weighs nothing." },
            "expires": {
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "description": "The last day on which the rule is on, in UTC.",
            },
            "recipients": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "description": "For whose mail the rule is on: recipient domains with their subdomains.",
                "properties": {
                    "only": { "$ref": "#/$defs/texts" },
                    "except": { "$ref": "#/$defs/texts" },
                    "of_several": { "enum": ["all", "any"] },
                },
            },
            "when": { "$ref": "#/$defs/condition" },
            "tests": object(&[], json!({ "hit": examples, "miss": examples })),
        }),
    )
}

fn condition() -> Value {
    let nested = json!({ "$ref": "#/$defs/condition" });
    let several = json!({ "type": "array", "items": nested, "minItems": 1 });
    let mut keys = Map::new();
    let mut add = |name: &str, schema: Value| {
        keys.insert(name.to_owned(), schema);
    };
    add("all", several.clone());
    add("any", several.clone());
    add("not", nested);
    add(
        "at_least",
        object(
            &["count", "of"],
            json!({ "count": { "type": "integer", "minimum": 1 }, "of": several }),
        ),
    );
    add(
        "rule",
        json!({ "type": "string", "description": "Id of another rule." }),
    );
    add(
        "formula",
        json!({ "type": "string", "description": "Arithmetic over hits: 'A + 2 * B > 3'." }),
    );
    add("flag", texts(named(Flag::ALL.iter().map(|f| f.name()))));
    add("relation", named(Relation::ALL.iter().map(|r| r.name())));
    add("client", json!({ "$ref": "#/$defs/texts" }));
    add("authenticated", json!({ "type": "boolean" }));
    add("header", json!({ "$ref": "#/$defs/header" }));
    add("headers", json!({ "$ref": "#/$defs/headers" }));
    for name in ["sa_header", "sa_mime_header"] {
        let field =
            json!({ "type": "string", "description": "A field, with modifiers such as :addr." });
        add(name, of_header(&["name"], &[("name", field)]));
    }
    for name in Place::names() {
        add(name, json!({ "$ref": "#/$defs/matcher" }));
    }
    for element in Element::ALL {
        add(
            element.name(),
            json!({ "$ref": format!("#/$defs/{}", element.name()) }),
        );
    }
    for number in Number::ALL {
        let bounds = match number.unit() {
            Unit::Share => "share",
            _ => "interval",
        };
        add(
            number.name(),
            json!({ "$ref": format!("#/$defs/{bounds}"), "description": number.meaning() }),
        );
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": keys,
    })
}

/// The keys of every matcher.
fn matcher() -> Map<String, Value> {
    let texts = json!({ "$ref": "#/$defs/texts" });
    let bounds = json!({ "$ref": "#/$defs/bounds" });
    let keys = [
        ("matches", json!({ "$ref": "#/$defs/pattern" })),
        ("engine", json!({ "enum": ["linear", "backtracking"] })),
        ("contains", texts.clone()),
        ("equals", texts.clone()),
        ("words", texts.clone()),
        ("domains", texts.clone()),
        ("networks", texts.clone()),
        ("sha256", texts),
        ("number", json!({ "$ref": "#/$defs/interval" })),
        ("ignore_case", json!({ "type": "boolean" })),
        ("length", bounds.clone()),
        ("exists", json!({ "type": "boolean" })),
        ("occurrences", bounds.clone()),
        ("count", bounds),
    ];
    keys.into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

fn of_header(required: &[&str], more: &[(&str, Value)]) -> Value {
    let mut keys = matcher();
    for (name, schema) in more {
        keys.insert((*name).to_owned(), schema.clone());
    }
    object(required, Value::Object(keys))
}

fn element(element: Element) -> Value {
    let mut keys = Map::new();
    for (name, _) in element.aspects() {
        keys.insert((*name).to_owned(), json!({ "$ref": "#/$defs/matcher" }));
    }
    for key in asks::KEYS {
        let schema = match key {
            "size" if !element.has_size() => continue,
            "position" => json!({ "$ref": "#/$defs/position" }),
            "not" => json!({ "$ref": format!("#/$defs/{}", element.name()) }),
            "all" => json!({
                "type": "array",
                "minItems": 1,
                "items": { "$ref": format!("#/$defs/{}", element.name()) },
            }),
            _ => json!({ "$ref": "#/$defs/bounds" }),
        };
        keys.insert(key.to_owned(), schema);
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": keys,
    })
}

/// The message of a test.
fn message() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let mut keys = Map::new();
    for name in [
        "message",
        "subject",
        "from",
        "to",
        "cc",
        "reply_to",
        "sender",
        "text",
        "html",
        "mail_from",
        "helo",
        "client",
        "client_name",
        "authenticated",
        "tls",
        "auth",
    ] {
        keys.insert(name.to_owned(), text.clone());
    }
    for name in ["received", "headers", "without", "rcpt_to", "reputation"] {
        keys.insert(name.to_owned(), texts.clone());
    }
    keys.insert(
        "repeat".to_owned(),
        json!({ "type": "integer", "minimum": 1, "maximum": REPEATS }),
    );
    let attachment = object(
        &[],
        json!({ "name": text, "type": text, "content": text, "base64": text }),
    );
    keys.insert(
        "attachments".to_owned(),
        json!({ "type": "array", "items": attachment }),
    );
    object(&[], Value::Object(keys))
}

#[cfg(test)]
pub(super) mod tests;
