// Refresh, keys, copying, charts. Every page works without it.
(() => {
  "use strict";
  const one = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const kept = {
    get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* not kept */ } },
  };
  const say = (text) => { const place = one("#said"); if (place) place.textContent = text; };

  // Refresh: every 5 s while the page is used, every minute when it is not, never when hidden.
  const USED_MS = 5000, IDLE_MS = 60000, IDLE_AFTER_MS = 60000;
  let live = false, used = Date.now(), refreshed = Date.now(), busy = false;
  const showLive = () => all("[data-live]").forEach((button) => {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(live));
  });
  const setLive = (wanted) => {
    live = wanted;
    kept.set("tollkeeper-live", live ? "1" : "");
    showLive();
    say(live ? "Refreshing by itself" : "Not refreshing");
  };
  const isTyping = () => {
    const on = document.activeElement;
    return on && on.matches("input, select, textarea") && on.closest("#page");
  };
  const refresh = async () => {
    if (busy || document.hidden || !one("#page[data-refreshes]") || isTyping() || one("dialog[open]")) return;
    busy = true;
    refreshed = Date.now();
    const row = all("tr.here").map((each) => each.dataset.href)[0];
    const open = all("#page details[open]:not([data-filtering])").length;
    try {
      if (!open) {
        await htmx.ajax("GET", location.href, { target: "#page", select: "#page", selectOOB: "#strip", swap: "outerHTML" });
        if (row) all("tr[data-href]").find((each) => each.dataset.href === row)?.classList.add("here");
      }
    } finally { busy = false; }
  };
  setInterval(() => {
    if (!live) return;
    const every = Date.now() - used < IDLE_AFTER_MS ? USED_MS : IDLE_MS;
    if (Date.now() - refreshed >= every) refresh();
  }, 1000);
  for (const kind of ["pointermove", "keydown", "scroll", "pointerdown"]) {
    addEventListener(kind, () => { used = Date.now(); }, { passive: true });
  }

  // Charts: a series in a data attribute becomes a plot; its table stands beside it.
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const money = (value) => value == null ? "–" : "$" + value.toLocaleString("en-US", {
    minimumFractionDigits: 2, maximumFractionDigits: value && Math.abs(value) < 1 ? 4 : 2 });
  const draw = () => {
    if (!window.uPlot) return;
    for (const place of all("[data-plot]:not([data-drawn])")) {
      const plot = JSON.parse(place.dataset.plot);
      const axis = { stroke: colour("--muted"), grid: { stroke: colour("--hairline"), width: 1 }, ticks: { show: false } };
      const zone = plot.tz || "UTC";
      const series = plot.series.map((each) => ({
        label: each.label, stroke: colour(each.colour || "--s1"), width: each.width || 2,
        dash: each.dash, points: { show: each.values.filter((value) => value != null).length === 1 }, value: (_, value) => money(value),
      }));
      const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone });
      const days = plot.dates ? { values: (_, times) => times.map((at) => day.format(at * 1e3)) } : {};
      place.dataset.drawn = "";
      place.textContent = "";
      new uPlot({
        width: place.clientWidth, height: 220, tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), zone),
        scales: { y: { range: (_, least, most) => [Math.min(0, least || 0), most > 0 ? most * 1.05 : 1] } },
        axes: [{ ...axis, ...days }, { ...axis, size: 72, values: (_, values) => values.map(money) }],
        series: [{ value: plot.dates ? "{YYYY}-{MM}-{DD}" : "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...series],
        bands: plot.bands || [],
      }, [plot.times, ...plot.series.map((each) => each.values)], place);
    }
  };

  const copy = async (text, from) => {
    try { await navigator.clipboard.writeText(text); say("Copied"); if (from) from.textContent = "Copied"; }
    catch { say("Copying was refused"); }
  };
  const ownZone = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const link of all("[data-own-zone]")) {
      const url = new URL(link.href);
      url.searchParams.set("tz", zone);
      link.href = url.pathname + url.search;
      link.textContent = `Browser’s (${zone})`;
      link.hidden = new URLSearchParams(location.search).get("tz") === zone || zone === "UTC";
    }
  };
  // Try it: the answer's text as it comes, then what it cost.
  const tryIt = async (form) => {
    const stop = new AbortController();
    const [answer, problem, told, stopper] = ["answer", "problem", "told", "stop"].map((name) => one(`[data-${name}]`));
    const fail = (message) => { problem.textContent = message; problem.hidden = false; };
    const take = (event) => {
      if (event.text) answer.textContent += event.text;
      if (event.error) fail(event.error.message);
      if (!event.done) return;
      for (const [name, value] of Object.entries(event.done)) {
        const place = one(`[data-of=${name}]`, told);
        if (place) place.textContent = value;
        if (place?.href) place.href = `/ui/requests/${value}`;
      }
      told.hidden = false;
      say("The answer is whole");
    };
    answer.textContent = "";
    problem.hidden = told.hidden = true;
    stopper.hidden = false;
    stopper.onclick = () => stop.abort();
    try {
      const reply = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)),
        headers: { accept: "text/event-stream" }, signal: stop.signal });
      if (!reply.ok) {
        const body = await reply.json().catch(() => null);
        return fail(body?.error?.message || `Refused: ${reply.status}`);
      }
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = "";;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n\n");
        rest = parts.pop();
        for (const part of parts) if (part.startsWith("data: ")) take(JSON.parse(part.slice(6)));
      }
    } catch (error) {
      fail(error.name === "AbortError" ? "Stopped; what had come is charged." : "The connection broke.");
    } finally { stopper.hidden = true; }
  };

  const keysOff = () => kept.get("tollkeeper-keys") === "off";
  const settle = () => {
    showLive();
    draw();
    for (const button of all("[data-copy], [data-help]")) button.hidden = false;
  };

  addEventListener("click", (event) => {
    const on = event.target.closest("[data-live], [data-copy], [data-help], [data-keys-off]");
    if (!on) return;
    if ("live" in on.dataset) setLive(!live);
    else if ("copy" in on.dataset) copy(on.dataset.copy || one(on.dataset.from).textContent, on);
    else if ("help" in on.dataset) one("#help").showModal();
    else { kept.set("tollkeeper-keys", keysOff() ? "" : "off"); on.textContent = keysOff() ? "Turn keys on" : "Turn keys off"; }
  });
  addEventListener("submit", (event) => {
    // Empty fields of a filter don't belong into the URL.
    if (event.target.matches("form.filters")) {
      for (const field of all("input, select", event.target)) field.disabled = !field.value;
      setTimeout(() => all("input, select", event.target).forEach((field) => { field.disabled = false; }));
    }
    else if (event.target.matches("form[data-try]")) { event.preventDefault(); tryIt(event.target); }
    // What is sent twice would be done twice.
    else if (event.target.matches("form[method=post]")) {
      if (event.target.dataset.sent) event.preventDefault();
      event.target.dataset.sent = "1";
    }
  });

  // Keys: two of them to go somewhere, one to do something; none while one types.
  let before = "";
  const rows = () => all("#page tr[data-href]");
  const move = (step) => {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.classList.contains("here"));
    list[at]?.classList.remove("here");
    const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + step))];
    next.classList.add("here");
    next.scrollIntoView({ block: "nearest" });
    one("a", next)?.focus({ preventScroll: true });
  };
  const here = () => one("tr.here");
  const press = {
    "/": () => {
      const field = one("[data-search]") || one(".filters input");
      field?.closest("details")?.setAttribute("open", "");
      field?.focus();
    },
    "?": () => one("#help")?.showModal(),
    j: () => move(1),
    k: () => move(-1),
    Enter: () => { const row = here(); if (row) location.href = row.dataset.href; return Boolean(row); },
    c: () => { const row = here(); if (row) copy(row.innerText.replace(/\s+/g, " ").trim()); },
    l: () => { if (one("#page[data-refreshes]")) setLive(!live); },
    "[": () => one("[data-earlier]")?.click(),
    "]": () => one("[data-later]")?.click(),
    x: () => one("[data-compare]")?.click(),
  };
  addEventListener("keydown", (event) => {
    const busyKeys = event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented;
    if (busyKeys || keysOff() || event.target.closest("input, select, textarea, dialog[open]")) return;
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    if (before === "g") {
      before = "";
      const link = all("[data-go]").find((each) => each.dataset.go === event.key);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    before = event.key === "g" ? "g" : "";
    if (press[event.key]) { const done = press[event.key](); if (done !== false) event.preventDefault(); }
  });

  // On a phone the filters stay folded until they are wanted.
  const fold = () => {
    if (matchMedia("(max-width: 640px)").matches) for (const box of all("[data-filtering]")) box.open = false;
  };
  // A refresh that failed leaves the old content where it is, and says how old that is.
  let shown = new Date();
  const stale = (why) => {
    const place = one("[data-stale]");
    place.textContent = `${why} What is shown is as of ${shown.toLocaleTimeString()}.`;
    place.hidden = false;
  };
  addEventListener("htmx:response:error", (event) => {
    const status = event.detail.ctx.response.status;
    if (status !== 401) stale(status === 503 ? "Calls are being refused: the ledger can’t be reached or written." : `This could not be refreshed (${status}).`);
  });
  addEventListener("htmx:error", () => stale("The gateway does not answer."));
  addEventListener("htmx:after:swap", (event) => {
    if (event.detail?.ctx?.response?.status >= 400) return;
    shown = new Date();
    if (one("[data-stale]")) one("[data-stale]").hidden = true;
    fold();
    settle();
  });
  live = kept.get("tollkeeper-live") === "1" && Boolean(one("#page[data-refreshes]"));
  ownZone();
  fold();
  settle();
})();
