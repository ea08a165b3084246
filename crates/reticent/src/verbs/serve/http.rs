//! Paths, statuses and headers of the server; what they mean is in `protocol`.

use super::{Denied, Served, caller, protocol};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Largest body of a request.
const MOST_BYTES: usize = 1 << 20;

type Names = Path<BTreeMap<String, String>>;
type Model = State<Arc<Served>>;

pub(super) fn router(served: Arc<Served>) -> Router {
    let mut router = Router::new()
        .route("/v2", get(|| async { answer(&protocol::server()) }))
        .route("/v2/health/live", get(|| async { answer(&json!({ "live": true })) }))
        .route("/v2/health/ready", get(|| async { answer(&json!({ "ready": true })) }));
    for model in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
        router =
            router.route(model, get(metadata)).route(&format!("{model}/ready"), get(ready)).route(&format!("{model}/infer"), post(infer));
    }
    router
        .fallback(|| async { denied(&Denied::new(404, "there is nothing here; the Open Inference Protocol starts at /v2")) })
        .method_not_allowed_fallback(|| async { denied(&Denied::new(405, "this path takes another method")) })
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn(local))
        .with_state(served)
}

/// Lets through what asks for this machine by its own name. A page in a browser that reached this port under a name of its own would not.
async fn local(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "127.0.0.1" | "localhost") {
        next.run(request).await
    } else {
        denied(&Denied::new(403, "this server answers to 127.0.0.1 and localhost only"))
    }
}

async fn metadata(State(served): Model, Path(names): Names) -> Response {
    result(named(&served, &names).map(|()| protocol::metadata(&served)))
}

async fn ready(State(served): Model, Path(names): Names) -> Response {
    result(named(&served, &names).map(|()| json!({ "name": served.name, "ready": true })))
}

async fn infer(State(served): Model, Path(names): Names, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let checked = named(&served, &names).and_then(|()| token(&headers)).and_then(|token| {
        // A page in a browser may send a form anywhere, but JSON only where it is allowed to.
        let kind = headers.get(header::CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Denied::new(415, "the body must be JSON: send Content-Type: application/json"));
        }
        match body {
            Ok(body) => Ok((token, body)),
            Err(refused) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Denied::new(413, format!("the body is larger than {MOST_BYTES} bytes: send fewer rows at once")))
            }
            Err(_) => Err(Denied::new(400, "the body cannot be read")),
        }
    });
    let (token, body) = match checked {
        Ok(checked) => checked,
        Err(why) => return denied(&why),
    };
    // Scoring and the ledger's durable write take a thread of their own: others are answered meanwhile.
    let answered = tokio::task::spawn_blocking(move || served.infer(&body, &caller(token.as_deref()))).await;
    result(answered.unwrap_or_else(|_| Err(Denied::new(500, "the request could not be answered"))))
}

/// The path must name the model that is served.
fn named(served: &Served, names: &BTreeMap<String, String>) -> Result<(), Denied> {
    let here = names.get("model").is_some_and(|m| *m == served.name) && names.get("version").is_none_or(|v| v == served.version());
    if here {
        Ok(())
    } else {
        Err(Denied::new(404, format!("this server serves the model `{}` in version {}", served.name, served.version())))
    }
}

/// The bearer token, where one is shown.
fn token(headers: &HeaderMap) -> Result<Option<String>, Denied> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token.map(|(_, token)| token.trim()).filter(|t| !t.is_empty()) {
        Some(token) => Ok(Some(token.to_owned())),
        None => Err(Denied::new(401, "the Authorization header must hold a bearer token, or be left out")),
    }
}

fn result(result: Result<Value, Denied>) -> Response {
    match result {
        Ok(value) => answer(&value),
        Err(why) => denied(&why),
    }
}

fn answer(value: &Value) -> Response {
    with(StatusCode::OK, value)
}

fn denied(why: &Denied) -> Response {
    with(StatusCode::from_u16(why.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &json!({ "error": why.why }))
}

fn with(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], value.to_string()).into_response()
}
