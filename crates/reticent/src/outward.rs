//! The one way out: JSON over HTTP to a host that the register declares for this purpose. The gate decides, and its word is on record, before
//! anything is sent. Nothing of a body is ever in a message.

use crate::failure::Failure;
use crate::workspace::Workspace;
use serde_json::Value;
use std::time::Duration;
use ureq::http::Uri;
use ureq::{Agent, Error};
use zeroize::Zeroizing;

/// A busy or absent host is asked again after these waits.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// Most that is read of an answer.
const MOST_BYTES: u64 = 64 << 20;
/// Whoever must show a token puts it here; it is never printed.
const TOKEN: &str = "RETICENT_ENDPOINT_TOKEN";

/// A host that may be reached.
pub(crate) struct Outward {
    agent: Agent,
    base: String,
    host: String,
    token: Option<Zeroizing<String>>,
}

/// A URL taken apart.
struct Place {
    base: String,
    host: String,
}

impl Outward {
    /// Asks the gate about the host of `url` for a purpose. Nothing is sent yet.
    ///
    /// # Errors
    /// Where the URL is none, is unencrypted to another machine, or the host is not declared for the purpose.
    pub(crate) fn to(workspace: &mut Workspace, url: &str, purpose: &str, patience: Duration) -> Result<Self, Failure> {
        let Place { base, host } = place(url)?;
        let actor = workspace.actor.clone();
        let decision = workspace.ledger.connection(&actor, &host, purpose)?;
        workspace.publish()?;
        if !decision.allowed {
            return Err(Failure::refused(format!("nothing is sent to {host} for `{purpose}`: {}", decision.why.join("; "))).hint(
                "declare the host, whose it is, what they receive it for and on which contract: `reticent register import` (`host`, `recipient`)",
            ));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(patience))
            // Another host than was declared, or a proxy, would see what is sent.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .http_status_as_error(false)
            .user_agent(concat!("reticent/", env!("CARGO_PKG_VERSION")))
            .build();
        let token = std::env::var(TOKEN).ok().filter(|t| !t.is_empty()).map(Zeroizing::new);
        Ok(Self { agent: config.into(), base, host, token })
    }

    /// The host's name.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What stands at a path; `None` where nothing does.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        self.ask(path, None)
    }

    /// Sends JSON to a path and gives what comes back, null where that is empty.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let found = self.ask(path, Some(body))?;
        found.ok_or_else(|| Failure::failed(format!("{} knows no {path}", self.host)).hint("look at the URL and at the name of the model"))
    }

    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Option<Value>, Failure> {
        let mut waits = WAITS.iter();
        loop {
            let why = match self.once(path, body) {
                Ok(Reply::Json(value)) => return Ok(Some(value)),
                Ok(Reply::Nothing) => return Ok(None),
                Ok(Reply::Busy(status)) => format!("answers with status {status}"),
                Ok(Reply::Refuses(status)) => {
                    let told = Failure::failed(format!("{} refuses {path}: status {status}", self.host));
                    return Err(match status {
                        300..=399 => told.hint("a redirect is not followed: name the host that answers, and declare it"),
                        401 | 403 => told.hint(format!("put a token that it knows into {TOKEN}")),
                        _ => told.hint("look at the URL, at the name of the model and at what it takes"),
                    });
                }
                Ok(Reply::Malformed) => {
                    return Err(Failure::failed(format!("what {} answers at {path} is no JSON", self.host))
                        .hint("look at the URL: something else may listen there"));
                }
                Err(why) => why,
            };
            match waits.next() {
                Some(wait) => std::thread::sleep(*wait),
                None => {
                    return Err(Failure::failed(format!("{} {why}, asked {} times", self.host, 1 + WAITS.len()))
                        .hint("run the same command again when it is back"));
                }
            }
        }
    }

    fn once(&self, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        let url = format!("{}{path}", self.base);
        let bearer = self.token.as_ref().map(|token| Zeroizing::new(format!("Bearer {}", token.as_str())));
        let sent = match body {
            None => {
                let request = self.agent.get(&url);
                let request = bearer.iter().fold(request, |r, b| r.header("Authorization", b.as_str()));
                request.call()
            }
            Some(body) => {
                let request = self.agent.post(&url).header("Content-Type", "application/json");
                let request = bearer.iter().fold(request, |r, b| r.header("Authorization", b.as_str()));
                request.send(body.to_string())
            }
        };
        let mut response = sent.map_err(|error| in_words(&error))?;
        let status = response.status().as_u16();
        match status {
            200..=299 => {}
            404 => return Ok(Reply::Nothing),
            429 | 500..=599 => return Ok(Reply::Busy(status)),
            _ => return Ok(Reply::Refuses(status)),
        }
        let text = response.body_mut().with_config().limit(MOST_BYTES).read_to_string().map_err(|error| in_words(&error))?;
        if text.trim().is_empty() {
            return Ok(Reply::Json(Value::Null));
        }
        Ok(serde_json::from_str(&text).map_or(Reply::Malformed, Reply::Json))
    }
}

/// What came of asking once.
enum Reply {
    Json(Value),
    Nothing,
    Busy(u16),
    Refuses(u16),
    Malformed,
}

/// Without what was sent, the URL's path or what came back.
fn in_words(error: &Error) -> String {
    match error {
        Error::Timeout(_) => "does not answer in time".into(),
        Error::HostNotFound => "is known to no name server".into(),
        Error::Io(error) => format!("cannot be reached: {}", error.kind()),
        Error::BodyExceedsLimit(_) => "answers with more than 64 MiB".into(),
        Error::Tls(_) | Error::Rustls(_) => "does not show who it is in a way that can be trusted (TLS)".into(),
        _ => "speaks no HTTP that can be understood".into(),
    }
}

/// Takes a URL apart: a scheme, a host, perhaps a port and a path to begin with; no name or password.
fn place(url: &str) -> Result<Place, Failure> {
    let wrong =
        |why: &str| Err(Failure::usage(format!("the URL of the endpoint {why}")).hint("write https://HOST, perhaps with :PORT and a path"));
    let Ok(uri) = url.parse::<Uri>() else { return wrong("cannot be read") };
    let (Some(scheme), Some(host), Some(authority)) = (uri.scheme_str(), uri.host(), uri.authority()) else {
        return wrong("names no scheme or no host");
    };
    if authority.as_str().contains('@') {
        return wrong("holds a name or password: it would be seen in the list of processes");
    }
    if uri.query().is_some() {
        return wrong("has a query");
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match scheme {
        "https" => {}
        "http" if here => {}
        "http" => return wrong("is not encrypted, and leads to another machine"),
        _ => return wrong("is neither https nor http"),
    }
    Ok(Place { base: url.trim_end_matches('/').to_owned(), host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_send_in_the_clear_or_show_a_password_are_refused() {
        for (url, expected) in [
            ("https://models.example/base/", Ok("models.example")),
            ("https://Models.example:8443", Ok("models.example")),
            ("http://127.0.0.1:8080", Ok("127.0.0.1")),
            ("http://localhost:8080/v1", Ok("localhost")),
            ("http://[::1]:8080", Ok("::1")),
            ("http://models.example", Err("not encrypted")),
            ("http://127.0.0.1.example", Err("not encrypted")),
            ("https://anna:secret@models.example", Err("name or password")),
            ("https://models.example/?key=secret", Err("query")),
            ("ftp://models.example", Err("neither")),
            ("models.example", Err("no scheme")),
            ("", Err("cannot be read")),
        ] {
            match (place(url), expected) {
                (Ok(place), Ok(host)) => assert_eq!(place.host, host, "{url}"),
                (Err(failure), Err(words)) => {
                    assert!(failure.message.contains(words) && !failure.message.contains("secret"), "{url}: {}", failure.message);
                }
                _ => panic!("{url}"),
            }
        }
    }
}
