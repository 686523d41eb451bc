//! Things to do: made, read, changed and removed, by several at once.
//!
//! Job: the REST part. Owns: the list. Does not know: who may (the caller asks), how news travel.
//! Nobody overwrites what he has not seen: a change names the version it is of in `If-Match`; without one it is refused
//! (428, RFC 6585 section 3), with an old one too (412, RFC 9110 section 13.1.1). The same thing twice is a conflict (409).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use outcrop_http::Body;
use outcrop_web::content;
use outcrop_web::problem::Problem;
use serde::{Deserialize, Serialize};

use super::{BODY_MAX, Example, Said, json};

/// Things at once.
const MOST: usize = 1000;
/// Characters of one.
const LONGEST: usize = 200;

/// A thing to do.
#[derive(Clone, Debug, Serialize)]
struct Todo {
    id: u64,
    text: String,
    done: bool,
    by: String,
    version: u64,
}

/// What a client may say of one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    text: String,
    #[serde(default)]
    done: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Filter {
    done: Option<bool>,
}

#[derive(Debug)]
struct List {
    last: u64,
    version: u64,
    todos: BTreeMap<u64, Todo>,
}

/// The list.
#[derive(Debug)]
pub(super) struct Todos(Mutex<List>);

impl Default for Todos {
    fn default() -> Self {
        let mut list = List {
            last: 0,
            version: 0,
            todos: BTreeMap::new(),
        };
        for (text, done) in [
            ("Open a TUN device", true),
            ("Write a TCP", true),
            ("Serve this page with it", false),
        ] {
            list.add(text.to_owned(), done, "outcrop");
        }
        Self(Mutex::new(list))
    }
}

impl Todos {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn add(&mut self, text: String, done: bool, by: &str) -> Todo {
        self.last += 1;
        self.version += 1;
        let todo = Todo {
            id: self.last,
            text,
            done,
            by: by.to_owned(),
            version: self.version,
        };
        self.todos.insert(todo.id, todo.clone());
        todo
    }

    /// The thing `id`, if the request names its version.
    fn matched(&self, id: u64, fields: &HeaderMap) -> Result<&Todo, Problem> {
        let todo = self
            .todos
            .get(&id)
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND))?;
        let Some(wanted) = fields.get(header::IF_MATCH) else {
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED)
                .detail("say in If-Match which version you mean"));
        };
        let tag = tag(todo);
        let wanted = wanted.to_str().unwrap_or_default();
        if wanted.trim() == "*" || wanted.split(',').any(|one| one.trim() == tag) {
            return Ok(todo);
        }
        Err(Problem::new(StatusCode::PRECONDITION_FAILED)
            .detail("somebody was faster")
            .with("current", tag))
    }
}

fn tag(todo: &Todo) -> String {
    format!("\"{}-{}\"", todo.id, todo.version)
}

fn check(draft: Draft) -> Result<Draft, Problem> {
    let text = draft.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        let detail = format!("text: 1 to {LONGEST} characters");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail));
    }
    Ok(Draft { text, ..draft })
}

/// An answer with a tag; 304 if the client has it.
fn tagged(asked: &HeaderMap, response: Said, tag: &str) -> Said {
    let mut response = response?;
    let known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let same = |one: &str| one.trim().trim_start_matches("W/") == tag;
    if response.status() == StatusCode::OK && (known.trim() == "*" || known.split(',').any(same)) {
        let fields = core::mem::take(response.headers_mut());
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = fields;
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if let Ok(value) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

impl Example {
    pub(super) async fn collection(&self, request: Request<Body>) -> Said {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            let filter: Filter = content::query(head.uri.query())?;
            let list = self.0.todos.lock();
            let wanted = |todo: &&Todo| filter.done.is_none_or(|done| todo.done == done);
            let all: Vec<&Todo> = list.todos.values().filter(wanted).collect();
            let tag = format!("\"all-{}-{:?}\"", list.version, filter.done);
            return tagged(&head.headers, json(StatusCode::OK, &all), &tag);
        }
        let user = self.known_user(&head)?;
        let draft = check(content::json(&head.headers, body, BODY_MAX).await?)?;
        let mut list = self.0.todos.lock();
        if let Some(same) = list
            .todos
            .values()
            .find(|todo| !todo.done && todo.text == draft.text)
        {
            let problem = Problem::new(StatusCode::CONFLICT).detail("that is to be done already");
            return Err(problem.with("id", same.id));
        }
        if list.todos.len() >= MOST {
            return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE).detail("do something first"));
        }
        let todo = list.add(draft.text, draft.done, &user);
        drop(list);
        self.0.live.tell("added", &todo);
        let mut response = tagged(
            &HeaderMap::new(),
            json(StatusCode::CREATED, &todo),
            &tag(&todo),
        )?;
        if let Ok(value) = HeaderValue::try_from(format!("/api/todos/{}", todo.id)) {
            response.headers_mut().insert(header::LOCATION, value);
        }
        Ok(response)
    }

    pub(super) async fn item(&self, id: &str, request: Request<Body>) -> Said {
        let id: u64 = id
            .parse()
            .map_err(|_| Problem::new(StatusCode::NOT_FOUND))?;
        let (head, body) = request.into_parts();
        if head.method.is_safe() {
            let list = self.0.todos.lock();
            let todo = list
                .todos
                .get(&id)
                .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND))?;
            return tagged(&head.headers, json(StatusCode::OK, todo), &tag(todo));
        }
        let _anybody_known = self.known_user(&head)?;
        if head.method == Method::DELETE {
            let mut list = self.0.todos.lock();
            let _seen = list.matched(id, &head.headers)?;
            list.todos.remove(&id);
            list.version += 1;
            drop(list);
            self.0.live.tell("removed", &id);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        let draft = check(content::json(&head.headers, body, BODY_MAX).await?)?;
        let mut list = self.0.todos.lock();
        let mut todo = list.matched(id, &head.headers)?.clone();
        list.version += 1;
        (todo.text, todo.done, todo.version) = (draft.text, draft.done, list.version);
        list.todos.insert(id, todo.clone());
        drop(list);
        self.0.live.tell("changed", &todo);
        tagged(&HeaderMap::new(), json(StatusCode::OK, &todo), &tag(&todo))
    }
}
