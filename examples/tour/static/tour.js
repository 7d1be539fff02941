// Every button makes real requests to the API, which is another origin, and reports what came.

const api = document.documentElement.dataset.api;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One card's log: what the page does, what the server saw, and what that shows.
class Log {
  constructor(card) {
    this.card = card;
    this.list = card.querySelector(".log");
    this.live = card.querySelector(".live");
    this.badge = card.querySelector(".badge");
    this.start = performance.now();
  }

  begin() {
    this.start = performance.now();
    this.list.replaceChildren();
    this.live.replaceChildren();
    this.state("busy", "running");
  }

  get ms() {
    return Math.round(performance.now() - this.start);
  }

  row(kind, text) {
    const item = document.createElement("li");
    item.className = kind;
    const time = document.createElement("time");
    time.textContent = kind === "header" ? "" : `${this.ms} ms`;
    const tag = document.createElement("b");
    tag.textContent = { wrong: "differs", verdict: "so", header: "" }[kind] ?? kind;
    const words = document.createElement("span");
    words.textContent = text;
    item.append(time, tag, words);
    this.list.append(item);
    this.list.scrollTop = this.list.scrollHeight;
  }

  state(name, text) {
    this.card.dataset.state = name;
    this.badge.textContent = text;
  }

  // A number or a bar that moves while the card runs.
  show(className, ...parts) {
    const box = document.createElement("div");
    box.className = className;
    box.append(...parts);
    this.live.replaceChildren(box);
    return box;
  }

  meter(max) {
    const bar = document.createElement("progress");
    bar.max = max;
    bar.value = 0;
    bar.setAttribute("aria-label", "Received");
    const count = document.createElement("output");
    this.show("meter", bar, count);
    return (value, text) => {
      bar.value = value;
      count.textContent = text;
    };
  }
}

// fetch, with what the page can see of the answer put down in the log.
async function call(log, method, path, options = {}) {
  log.row("page", `fetch ${method} ${path}`);
  const start = performance.now();
  const response = await fetch(api + path, { method, cache: "no-store", ...options });
  const ms = Math.round(performance.now() - start);
  log.row("page", `${response.status} ${response.statusText} after ${ms} ms`);
  for (const [name, value] of response.headers) log.row("header", `${name}: ${value}`);
  return { response, status: response.status, ms };
}

const json = (body) => ({
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

async function references() {
  const response = await fetch(`${api}/payments`, { cache: "no-store" });
  return (await response.json()).references;
}

// Pays, hangs up, and watches the table. Resolves to whether the payment arrived in it.
async function payAndHangUp(log, path) {
  const reference = crypto.randomUUID();
  const before = (await references()).length;
  const count = document.createElement("output");
  const label = document.createElement("span");
  label.textContent = "rows in payments";
  const rows = log.show("rows", count, label);
  count.textContent = before;

  const client = new AbortController();
  setTimeout(() => client.abort(), 150);
  log.row("page", `fetch POST ${path}, reference ${reference.slice(0, 8)}`);
  try {
    await fetch(api + path, { method: "POST", signal: client.signal, ...json({ reference, cents: 4900 }) });
    log.row("page", "answered before the page could hang up");
  } catch (error) {
    log.row("page", `${error.name}: this page has hung up`);
  }
  for (let turn = 0; turn < 10; turn++) {
    await pause(250);
    const now = await references();
    count.textContent = now.length;
    if (now.includes(reference)) {
      rows.dataset.grown = "";
      log.row("page", `the row is there: ${before} before, ${now.length} now`);
      return true;
    }
  }
  log.row("page", "two and a half seconds later there is no such row");
  return false;
}

// What each button does. An action returns [as claimed?, what happened].
const actions = {
  async aborted(log, path) {
    const stored = await payAndHangUp(log, path);
    return [stored, stored ? "the client left, the payment is stored" : "the payment was lost"];
  },
  async lost(log, path) {
    const stored = await payAndHangUp(log, path);
    return [!stored, stored ? "the payment was stored" : "the client left, the payment is lost"];
  },
  async late(log, path) {
    const { response, status, ms } = await call(log, "GET", path);
    log.row("page", (await response.json()).title ?? "");
    return [status === 504 && ms < 1500, `${status} after ${ms} ms instead of 5 s`];
  },
  async early(log, path) {
    const { status, ms } = await call(log, "GET", path);
    return [status === 200, `${status} after ${ms} ms`];
  },
  async admitted(log, path) {
    const { response, status } = await call(log, "PUT", path, json(5));
    const pieces = response.headers.get("X-Pieces");
    return [status === 204 && pieces !== null, `${pieces} lamps in stock: preflight and PUT passed`];
  },
  async refused(log, path) {
    try {
      const { status } = await call(log, "PUT", path, json(1));
      return [false, `the call went through: ${status}`];
    } catch (error) {
      log.row("page", `${error.name}: ${error.message}`);
      return [error instanceof TypeError, "refused at the preflight, the PUT was never sent"];
    }
  },
  async problem(log, path) {
    const { response, status } = await call(log, "GET", path);
    log.row("page", await response.text());
    const type = response.headers.get("Content-Type") ?? "";
    return [status === 404 && type.startsWith("application/problem+json"), `${status} as problem details`];
  },
  async json(log, path) {
    const { response, status } = await call(log, "GET", path);
    const body = await response.text();
    log.row("page", body);
    const type = response.headers.get("Content-Type") ?? "";
    return [status === 404 && type.startsWith("application/json"), `${status} as plain JSON`];
  },
  async import(log, path) {
    const { status, ms } = await call(log, "POST", path);
    return [status === 201 && ms > 1500, `${status} after ${ms} ms: no limit here`];
  },
  async trial(log, path) {
    const { status, ms } = await call(log, "POST", path);
    return [status === 504, `${status} after ${ms} ms: the fallback's limit`];
  },
  async download(log, path) {
    const { response, status } = await call(log, "GET", path);
    const meter = log.meter(24);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      text += part.value;
      const lines = text.split("\n").length - 1;
      meter(lines, `${lines} orders`);
      log.row("page", `${part.value.length} characters more`);
    }
    const lines = text.split("\n").length - 1;
    return [status === 200 && lines === 24 && log.ms > 1500, `${lines} orders over ${log.ms} ms`];
  },
  async listen(log, path) {
    const meter = log.meter(8);
    const socket = new WebSocket(api.replace("http:", "ws:") + path);
    let ticks = 0;
    socket.onopen = () => log.row("page", "connected");
    socket.onmessage = (message) => {
      ticks += 1;
      meter(ticks, `${ticks} messages`);
      log.row("page", message.data);
    };
    const closed = await new Promise((resolve) => { socket.onclose = resolve; });
    log.row("page", `closed with ${closed.code} ${closed.reason}`);
    return [ticks === 8 && closed.code === 1000 && log.ms > 1500, `${ticks} messages over ${log.ms} ms`];
  },
  async stopped(log, path) {
    const started = await call(log, "POST", "/replicas");
    const { port, origin } = await started.response.json();
    log.row("page", `a second server at ${origin}`);

    const stream = await fetch(origin + path, { cache: "no-store" });
    const reader = stream.body.getReader();
    await reader.read();
    log.row("page", `the stream has begun: ${path}`);
    const readOn = async () => {
      while (!(await reader.read()).done);
      log.row("page", "the stream ended, whole");
      return true;
    };
    const socket = new WebSocket(`${origin.replace("http:", "ws:")}/trades`);
    await new Promise((resolve) => { socket.onopen = resolve; });
    log.row("page", "the socket is open: /trades");
    const closed = new Promise((resolve) => { socket.onclose = resolve; });
    const reference = crypto.randomUUID();
    const payment = fetch(`${origin}/payments`, { method: "POST", ...json({ reference, cents: 4900 }) });
    log.row("page", `fetch POST /payments, reference ${reference.slice(0, 8)}`);
    await pause(200);

    const ends = Promise.allSettled([readOn(), closed, payment]);
    await call(log, "DELETE", `/replicas/${port}`);
    const [whole, close, paid] = await ends;
    log.row("page", `the socket was closed with ${close.value.code}`);
    log.row("page", `the payment: ${paid.value?.status ?? paid.reason}`);
    const claimed = whole.value === true && close.value.code === 1001 && paid.value?.status === 201;
    return [claimed, claimed ? "stream whole, socket 1001, payment 201" : "somebody was cut off"];
  },
  async limited(log, path) {
    const meter = log.meter(3);
    let answer = await call(log, "GET", path);
    let served = 0;
    for (; answer.status === 200 && served < 9; answer = await call(log, "GET", path)) {
      served += 1;
      const [, left] = /r=(\d+)/.exec(answer.response.headers.get("RateLimit")) ?? [];
      meter(Number(left), `${left} of 3 left`);
    }
    if (answer.status !== 429) return [false, `${answer.status} instead of 429`];
    const [, seconds] = /;t=(\d+)/.exec(answer.response.headers.get("RateLimit")) ?? [];
    for (let left = Number(seconds); left > 0; left--) {
      meter(0, `again in ${left} s`);
      await pause(1000);
    }
    const again = await call(log, "GET", path);
    return [again.status === 200, `429 after ${served} answers, and ${again.status} after ${seconds} s`];
  },
  async queued(log, path) {
    const six = Array.from({ length: 6 }, () => call(log, "GET", path));
    const answers = await Promise.all(six);
    const served = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 503);
    const waited = served.filter(({ ms }) => ms > 700);
    const claimed = served.length === 4 && refused.length === 2 && waited.length === 2;
    return [claimed, `${served.length} served, ${waited.length} of them after waiting; ${refused.length} refused`];
  },
  async large(log, path) {
    const { response, status } = await call(log, "POST", path, { body: new Blob([new Uint8Array(300_000)]) });
    log.row("page", await response.text());
    return [status === 413, `${status}: the page can read why`];
  },
  async dripped(log) {
    const { response } = await call(log, "POST", "/dripping-clients");
    const { status, bytes, seconds } = await response.json();
    return [status === 408, `${status} after ${bytes} bytes and ${seconds} s`];
  },
  async forged(log, path) {
    const { response, status } = await call(log, "POST", path);
    log.row("page", await response.text());
    return [status === 403, `${status}: the browser told where it came from`];
  },
};

const logs = new Map();
for (const card of document.querySelectorAll(".card")) {
  const buttons = [...card.querySelectorAll("[data-action]")];
  const log = new Log(card);
  logs.set(log, buttons.map((button) => button.dataset.path));
  for (const button of buttons) button.addEventListener("click", () => run(log, button, buttons));
}

async function run(log, button, buttons) {
  for (const other of buttons) other.disabled = true;
  log.begin();
  const { action, path, policy } = button.dataset;
  try {
    const [claimed, text] = await actions[action](log, path);
    await pause(60); // the server's last word about it is still on its way
    log.row("policy", policy);
    log.row(claimed ? "verdict" : "wrong", text);
    log.state(claimed ? "done" : "failed", claimed ? "as claimed" : "not as claimed");
  } catch (error) {
    log.row("wrong", `${error.name}: ${error.message}. Is the tour still running?`);
    log.state("failed", "not as claimed");
  }
  for (const other of buttons) other.disabled = false;
}

document.getElementById("all").addEventListener("click", async ({ currentTarget }) => {
  currentTarget.disabled = true;
  const cards = [...document.querySelectorAll(".card")];
  // One after the other: a browser opens six connections to a server, and lets further calls wait.
  for (const card of cards) {
    const buttons = [...card.querySelectorAll("[data-action]")];
    const log = [...logs.keys()].find((one) => one.card === card);
    await run(log, buttons[0], buttons);
  }
  currentTarget.disabled = false;
});

function count(counts) {
  document.getElementById("counters").replaceChildren(...Object.entries(counts).map(([what, number]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    term.textContent = what;
    const figure = document.createElement("dd");
    figure.textContent = number;
    pair.append(term, figure);
    return pair;
  }));
}

// The server's side, as server-sent events from the page's own origin.
const wire = document.getElementById("wire");
const consoleList = document.getElementById("console");
const events = new EventSource("/wire");

events.onopen = () => { wire.dataset.state = "on"; wire.textContent = "connected"; };
events.onerror = () => { wire.dataset.state = "off"; wire.textContent = "not connected"; };
events.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.counts) return count(event.counts);
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString("en-GB");
  const source = document.createElement("b");
  source.textContent = event.source;
  const text = document.createElement("span");
  text.textContent = event.text;
  item.append(time, source, text);
  consoleList.append(item);
  while (consoleList.children.length > 300) consoleList.firstElementChild.remove();
  consoleList.scrollTop = consoleList.scrollHeight;
  for (const [log, paths] of logs) {
    // The access log names its path; routeguard's own records name it in their text.
    const about = event.path ? [event.path] : event.text.split(" ");
    if (log.card.dataset.state !== "busy") continue; // another card's request to the same path
    if (!paths.some((path) => about.includes(path))) continue;
    log.row(event.path ? "server" : "logged", event.text);
    for (const [name, value] of Object.entries(event.headers ?? {})) {
      if (event.text.startsWith("OPTIONS")) log.row("header", `${name}: ${value}`);
    }
  }
};
