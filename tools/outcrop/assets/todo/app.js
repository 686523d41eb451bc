// The page: a list over fetch, news over EventSource or long polls, a chat over WebSocket. Nothing from elsewhere.
"use strict";

const $ = (id) => document.getElementById(id);
const todos = new Map();
let me = { user: null, csrf: "" };
let tokens = null; // .. in memory only: gone with the page.

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

async function ask(method, path, body, version, again = true) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (version) headers["if-match"] = version;
  if (tokens) headers.authorization = "Bearer " + tokens.access_token;
  else if (me.csrf) headers["x-csrf-token"] = me.csrf;
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 && tokens && again) {
    const renewed = await fetch("/api/token/refresh", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ refresh_token: tokens.refresh_token }) });
    tokens = renewed.ok ? await renewed.json() : null;
    return ask(method, path, body, version, false);
  }
  const value = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.detail || value.title || answer.statusText), { status: answer.status });
  return value;
}

async function attempt(work) {
  complain("");
  try { await work(); } catch (error) {
    complain(error.status === 401 ? "Log in to change the list." : error.message);
    // Somebody else changed or removed it: what is here is out of date.
    if (error.status === 412 || error.status === 404) await load().catch(() => {});
  }
}

const version = (todo) => `"${todo.id}-${todo.version}"`;

// The text of a row, to be written anew: Enter keeps it, Escape or leaving does not.
function edit(todo, text) {
  const form = document.createElement("form");
  const field = Object.assign(document.createElement("input"), { value: todo.text, maxLength: 200, required: true });
  field.setAttribute("aria-label", "new text");
  const close = () => { field.onblur = null; form.remove(); draw(); };
  field.onblur = close;
  field.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    field.onblur = null;
    field.disabled = true;
    // Of the version that was seen, not of the one there may be by now.
    attempt(() => ask("PUT", "/api/todos/" + todo.id, { text: field.value, done: todo.done }, version(todo))).then(draw);
  });
  form.append(field);
  text.replaceWith(form);
  field.select();
  field.focus();
}

function draw() {
  // Nobody's typing is taken away by news.
  if (document.querySelector("#todos form input:focus:enabled")) return;
  const rows = [...todos.values()].sort((a, b) => a.id - b.id).map((todo) => {
    const row = document.createElement("li");
    row.className = todo.done ? "done" : "";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: todo.done });
    box.setAttribute("aria-label", "done: " + todo.text);
    box.addEventListener("change", () => attempt(() => ask("PUT", "/api/todos/" + todo.id, { text: todo.text, done: box.checked }, version(todo))).then(draw));
    const text = Object.assign(document.createElement("span"), { textContent: todo.text, title: "Click to change it", tabIndex: 0 });
    text.addEventListener("click", () => edit(todo, text));
    text.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); edit(todo, text); } });
    const by = Object.assign(document.createElement("small"), { textContent: todo.by });
    const remove = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: "remove" });
    remove.setAttribute("aria-label", "remove: " + todo.text);
    remove.addEventListener("click", () => attempt(() => ask("DELETE", "/api/todos/" + todo.id, undefined, version(todo))));
    row.append(box, text, by, remove);
    return row;
  });
  $("todos").replaceChildren(...rows);
}

function drawMe() {
  $("login").hidden = Boolean(me.user);
  $("me").hidden = !me.user;
  $("name").textContent = me.user || "";
  $("how").textContent = tokens ? "by a token this page keeps" : "by a session the server keeps";
  $("travels").textContent = travels();
}

// The lesson: a name for something the server keeps, or everything it must know, signed.
function travels() {
  if (!me.user) return "";
  if (!tokens) return "Cookie: session=… (a random name, which this page cannot read)\nX-CSRF-Token: " + me.csrf.slice(0, 12) + "…\n\nThe server looks up what it keeps under that name. Restart it and you are nobody; log out and the name is worth nothing.";
  const part = tokens.access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
  const claims = JSON.parse(atob(part));
  const until = new Date(claims.exp * 1000).toLocaleTimeString();
  return "Authorization: Bearer " + tokens.access_token.slice(0, 24) + "…\n\n" + JSON.stringify(claims, null, 2) + "\n\nThe server keeps nothing: it checks the signature. The token is good until " + until + ", whatever happens here; the page then renews it.";
}

// Lists and news overtake each other on their ways: what is older undoes nothing that is newer.
const removed = new Set();
function put(todo) {
  const known = todos.get(todo.id);
  if (!removed.has(todo.id) && (!known || known.version < todo.version)) todos.set(todo.id, todo);
}

async function load() {
  const list = await ask("GET", "/api/todos");
  const newest = Math.max(0, ...list.map((todo) => todo.version));
  const there = new Set(list.map((todo) => todo.id));
  for (const todo of [...todos.values()]) if (!there.has(todo.id) && todo.version <= newest) todos.delete(todo.id);
  list.forEach(put);
  draw();
}

function say(how) {
  $("status").textContent = how;
  $("status").className = how === "live" ? "live" : "";
}

function take(name, what) {
  if (name === "removed") {
    removed.add(what);
    todos.delete(what);
  } else put(what);
  draw();
}

let hush = () => {};
function listen() {
  hush();
  say("connecting");
  if ($("by").value === "poll") pollOnAndOn();
  else stream();
}

// One answer that does not end: the server writes into it whenever something happens.
function stream() {
  const news = new EventSource("/api/events");
  hush = () => news.close();
  for (const name of ["added", "changed", "removed"]) news.addEventListener(name, (event) => take(name, JSON.parse(event.data)));
  news.onopen = () => { say("live"); attempt(load); };
  news.onerror = () => say("reconnecting");
}

// An answer each time: "what since number 7?" is held until there is an 8.
async function pollOnAndOn() {
  const stop = new AbortController();
  hush = () => stop.abort();
  let since = null;
  while (!stop.signal.aborted) {
    try {
      const answer = await fetch("/api/news" + (since === null ? "" : "?since=" + since), { signal: stop.signal });
      if (!answer.ok) throw new Error(answer.statusText);
      const told = await answer.json();
      say("live");
      if (since === null || told.missed) await load();
      since = told.last;
      for (const event of told.news) take(event.name, event.what);
    } catch {
      if (stop.signal.aborted) return;
      say("reconnecting");
      since = null;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

let room = null;
async function talk() {
  // The request that opens a WebSocket takes cookies along, but no token: that buys a ticket first.
  const ticket = tokens ? await ask("POST", "/api/chat/ticket").catch(() => null) : null;
  room = new WebSocket(location.origin.replace(/^http/, "ws") + "/api/chat" + (ticket ? "?ticket=" + ticket.ticket : ""));
  room.onmessage = (event) => {
    const line = JSON.parse(event.data);
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("b"), { textContent: line.from + ": " }), line.text);
    $("lines").append(item);
    while ($("lines").children.length > 200) $("lines").firstChild.remove();
    $("lines").scrollTop = $("lines").scrollHeight;
  };
  room.onclose = () => setTimeout(talk, 2000);
}

// The room knows people by what they came with.
function enterAnew() {
  if (!room) return;
  room.onclose = talk;
  room.close();
}

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(async () => { await ask("POST", "/api/todos", { text: form.text.value }); form.reset(); });
});

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const who = { user: form.user.value, password: form.password.value };
  attempt(async () => {
    if (form.how.value === "token") {
      tokens = await ask("POST", "/api/token", who);
      me = await ask("GET", "/api/me");
    } else {
      me = await ask("POST", "/api/login", who);
    }
    drawMe();
    enterAnew();
  });
});

$("logout").addEventListener("click", () => attempt(async () => {
  if (!tokens) await ask("POST", "/api/logout");
  tokens = null;
  me = { user: null, csrf: "" };
  drawMe();
  enterAnew();
}));

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  if (room && room.readyState === WebSocket.OPEN) { room.send(event.target.text.value); event.target.reset(); }
});

attempt(async () => { me = await ask("GET", "/api/me"); drawMe(); });
$("by").addEventListener("change", listen);
listen();
talk();
