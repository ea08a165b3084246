//! The part of Turtle in which consent records are written: prefixes, nested nodes, lists of objects, literals. What is beyond that is refused.

use serde_json::{Map, Value, json};

/// How deep nodes may lie in one another.
const DEEPEST: usize = 32;

/// Every subject of a text with its properties, in the shape that JSON-LD has: `@id`, `@type`, and a list under each property. Short names
/// stay short, unless the text gives their prefix an address.
pub(super) fn subjects(text: &str) -> Result<Vec<Map<String, Value>>, (u64, &'static str)> {
    let mut reader = Reader { text, at: 0, prefixes: vec![] };
    let mut all = vec![];
    loop {
        reader.space();
        if reader.rest().is_empty() {
            return Ok(all);
        }
        let directive = ["@prefix", "PREFIX", "prefix"].into_iter().find(|word| reader.rest().starts_with(word));
        if let Some(word) = directive {
            reader.at += word.len();
            reader.space();
            let name = reader.take_while(|c| c != ':' && !c.is_whitespace()).to_owned();
            reader.expect(':')?;
            reader.space();
            let iri = reader.iri()?;
            reader.prefixes.push((name, iri));
            reader.space();
            if reader.rest().starts_with('.') {
                reader.at += 1;
            }
            continue;
        }
        let mut node = if reader.rest().starts_with('[') {
            reader.blank(0)?
        } else {
            let name = reader.name()?;
            Map::from_iter([("@id".to_owned(), json!(name))])
        };
        reader.properties(&mut node, 0)?;
        reader.space();
        reader.expect('.')?;
        all.push(node);
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    prefixes: Vec<(String, String)>,
}

type Refused = (u64, &'static str);

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, Refused> {
        Err((1 + self.text[..self.at].matches('\n').count() as u64, why))
    }

    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            match trimmed.strip_prefix('#') {
                Some(comment) => self.at += 1 + comment.find('\n').unwrap_or(comment.len()),
                None => return,
            }
        }
    }

    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !holds(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn expect(&mut self, sign: char) -> Result<(), Refused> {
        if self.rest().starts_with(sign) {
            self.at += sign.len_utf8();
            return Ok(());
        }
        self.wrong("is not the Turtle that is read here")
    }

    fn iri(&mut self) -> Result<String, Refused> {
        self.expect('<')?;
        let iri = self.take_while(|c| c != '>' && !c.is_whitespace() && c != '<' && c != '"').to_owned();
        self.expect('>')?;
        Ok(iri)
    }

    /// An IRI, whole or short.
    fn name(&mut self) -> Result<String, Refused> {
        if self.rest().starts_with('<') {
            return self.iri();
        }
        let mut name = self.take_while(|c| c.is_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '%'));
        // A full stop at the end ends the statement.
        while let Some(shorter) = name.strip_suffix('.') {
            name = shorter;
            self.at -= 1;
        }
        match name.split_once(':') {
            _ if name.is_empty() => self.wrong("is not the Turtle that is read here"),
            Some((prefix, rest)) => Ok(match self.prefixes.iter().rev().find(|(p, _)| p == prefix) {
                Some((_, iri)) => format!("{iri}{rest}"),
                None => name.to_owned(),
            }),
            None if name == "a" => Ok("@type".into()),
            None => self.wrong("a name has no prefix"),
        }
    }

    fn blank(&mut self, depth: usize) -> Result<Map<String, Value>, Refused> {
        if depth > DEEPEST {
            return self.wrong("nodes lie too deep in one another");
        }
        self.expect('[')?;
        let mut node = Map::new();
        self.properties(&mut node, depth)?;
        self.space();
        self.expect(']')?;
        Ok(node)
    }

    /// `property object, object; property object`.
    fn properties(&mut self, node: &mut Map<String, Value>, depth: usize) -> Result<(), Refused> {
        loop {
            self.space();
            if self.rest().is_empty() || self.rest().starts_with(['.', ']']) {
                return Ok(());
            }
            if self.rest().starts_with(';') {
                self.at += 1;
                continue;
            }
            let property = self.name()?;
            let property = if property == "http://www.w3.org/1999/02/22-rdf-syntax-ns#type" || property == "rdf:type" {
                "@type".into()
            } else {
                property
            };
            loop {
                self.space();
                let object = self.object(depth)?;
                // Of a type the name itself is the value, as JSON-LD has it.
                let object = if property == "@type" { object["@id"].clone() } else { object };
                match node.entry(property.clone()).or_insert_with(|| json!([])) {
                    Value::Array(all) => all.push(object),
                    _ => return self.wrong("is not the Turtle that is read here"),
                }
                self.space();
                if !self.rest().starts_with(',') {
                    break;
                }
                self.at += 1;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Refused> {
        match self.rest().chars().next() {
            Some('[') => self.blank(depth + 1).map(Value::Object),
            Some('"') => self.literal(),
            Some('(') => self.wrong("lists in brackets are not read here"),
            Some(c) if c.is_ascii_digit() || c == '-' || c == '+' => {
                let number = self.take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
                let trimmed = number.trim_end_matches('.');
                self.at -= number.len() - trimmed.len();
                match serde_json::from_str::<Value>(trimmed.trim_start_matches('+')) {
                    Ok(value) => Ok(value),
                    Err(_) => self.wrong("is no number"),
                }
            }
            _ => {
                let name = self.name()?;
                Ok(json!({ "@id": name }))
            }
        }
    }

    fn literal(&mut self) -> Result<Value, Refused> {
        if self.rest().starts_with("\"\"\"") {
            return self.wrong("long texts are not read here");
        }
        self.expect('"')?;
        let mut value = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else { return self.wrong("a text has no end") };
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\n' => return self.wrong("a text has no end"),
                '\\' => {
                    let escaped = self.rest().chars().next();
                    self.at += escaped.map_or(0, char::len_utf8);
                    match escaped {
                        Some('n') => value.push('\n'),
                        Some('t') => value.push('\t'),
                        Some('r') => value.push('\r'),
                        Some(sign @ ('"' | '\\' | '\'')) => value.push(sign),
                        _ => return self.wrong("an escape is not read here"),
                    }
                }
                _ => value.push(c),
            }
        }
        if self.rest().starts_with("^^") {
            self.at += 2;
            let kind = self.name()?;
            return Ok(json!({ "@value": value, "@type": kind }));
        }
        if self.rest().starts_with('@') {
            self.at += 1;
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '-');
        }
        Ok(json!(value))
    }
}
