// What the page does beyond links and forms: it tells the server the browser's
// time zone, sends the filters when one changes, and refreshes the table.
(() => {
  "use strict";
  const root = document.documentElement;
  const form = document.getElementById("filters");

  // The time zone, in a cookie for the page's own path, once for a session at
  // most: without cookies the page stays in UTC.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const chosen = root.dataset.zone;
  if (zone && (chosen === "" || chosen.startsWith("browser:")) && chosen !== "browser:" + zone) {
    const asked = "adminsessions-zone";
    if (sessionStorage.getItem(asked) !== zone) {
      sessionStorage.setItem(asked, zone);
      document.cookie = `adminsessions_zone=browser:${zone}; max-age=31536000; samesite=lax` +
        (location.protocol === "https:" ? "; secure" : "");
      location.reload();
      return;
    }
  }

  // Filters apply as soon as they change; texts and times when they are sent.
  form.addEventListener("change", (event) => {
    if (event.target.matches("input[type=checkbox]") && !event.target.closest("#auto")) form.requestSubmit();
  });

  // Completion: what the trail holds is asked for when somebody begins to type, and
  // offered by the browser's own lists. In the search box the last word is completed.
  const search = document.getElementById("q");
  const most = 20;
  let offers; // by key, once asked for

  async function askOffers() {
    if (offers) return;
    offers = new Map();
    try {
      const answer = await fetch("api/complete", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15000) });
      if (!answer.ok) return;
      for (const { key, values } of (await answer.json()).keys) {
        offers.set(key, values);
        fill(document.getElementById("o-" + key), values);
      }
      complete();
    } catch {
      // Everything can be typed as well.
    }
  }

  function fill(list, values) {
    list?.replaceChildren(...values.map((value) => {
      const option = document.createElement("option");
      option.value = value;
      return option;
    }));
  }

  function complete() {
    const start = search.value.search(/\S*$/);
    const before = search.value.slice(0, start);
    const [, not, word] = /^(-?)(.*)$/.exec(search.value.slice(start));
    const colon = word.indexOf(":");
    let found = [];
    if (word && colon < 0) {
      found = [...offers.keys()].filter((key) => key.startsWith(word.toLowerCase())).map((key) => key + ":");
    } else if (colon > 0) {
      const key = word.slice(0, colon).toLowerCase(), part = word.slice(colon + 1).toLowerCase();
      found = (offers.get(key) ?? []).filter((value) => value.toLowerCase().includes(part))
        .map((value) => key + ":" + (/[\s"]/.test(value) ? JSON.stringify(value) : value));
    }
    fill(search.list, found.slice(0, most).map((text) => before + not + text));
  }

  form.addEventListener("focusin", (event) => {
    if (event.target.list) askOffers();
  });
  search.addEventListener("input", () => { if (offers) complete(); });

  // A menu closes when something else is clicked, or by Escape.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
    // A row opens by a click anywhere on it that is not a link or a selection.
    const row = event.target.closest("tr.event");
    if (row && !event.target.closest("a, summary") && getSelection().isCollapsed) {
      const details = row.querySelector("details");
      details.open = !details.open;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Auto refresh.
  const auto = document.getElementById("auto");
  const text = auto.querySelector(".countdown");
  const toggle = auto.querySelector("input");
  const every = auto.querySelector("select");
  const plural = new Intl.PluralRules(root.lang);
  let left = 0; // seconds until the next refresh
  let loading = false;
  auto.hidden = false;

  const say = (message) => { if (text.textContent !== message) text.textContent = message; };

  function remember() {
    const url = new URL(location.href);
    toggle.checked ? url.searchParams.set("auto", "1") : url.searchParams.delete("auto");
    every.value === "10" ? url.searchParams.delete("every") : url.searchParams.set("every", every.value);
    history.replaceState(null, "", url);
    left = Number(every.value);
    tick();
  }

  function paused() {
    if (auto.dataset.live !== "true") return auto.dataset.page;
    if (document.hidden) return auto.dataset.hidden;
    if (document.querySelector("td details[open]")) return auto.dataset.open;
    return "";
  }

  async function refresh() {
    loading = true;
    say(auto.dataset.loading);
    try {
      const url = new URL(location.href);
      const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(30000) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!toggle.checked || paused()) return;
      show(page);
      say("");
    } catch {
      say(auto.dataset.failed);
    } finally {
      loading = false;
      left = Number(every.value);
    }
  }

  // show replaces what the last answer showed and marks the rows that are new.
  function show(page) {
    const parts = [".zone", "section.problem", "div.results", "footer.bar"];
    if (!page.querySelector("section.problem, div.results")) throw new Error("not the page");
    const known = new Set([...document.querySelectorAll("tr.event")].map((row) => row.dataset.key));
    const had = document.querySelector("div.results") !== null;
    const focused = document.activeElement?.closest("div.results, footer.bar") ? document.activeElement : null;
    const mark = focused && [focused.getAttribute("href"), focused.closest("tr")?.dataset.key];
    const main = document.querySelector("main");
    for (const part of parts) {
      const next = page.querySelector(part), old = document.querySelector(part);
      if (!next && part !== "section.problem") continue; // nothing better to show
      if (next && old) old.replaceWith(next);
      else if (next) part === "section.problem" ? document.getElementById("announce").after(next) : main.append(next);
      else old?.remove();
    }
    let fresh = 0;
    for (const row of document.querySelectorAll("tr.event")) {
      if (had && !known.has(row.dataset.key)) {
        row.classList.add("new");
        fresh++;
      }
    }
    if (mark) {
      const scope = mark[1] ? document.querySelector(`tr[data-key="${CSS.escape(mark[1])}"]`) : document;
      const again = [...(scope?.querySelectorAll("a, summary") ?? [])].find((e) => e.getAttribute("href") === mark[0]);
      again?.focus({ preventScroll: true });
    }
    if (fresh) {
      const form = auto.getAttribute("data-new-" + plural.select(fresh)) || auto.getAttribute("data-new-other");
      document.getElementById("announce").textContent = form.replace("{}", fresh);
    }
  }

  function tick() {
    if (!toggle.checked) return say("");
    if (loading) return;
    const why = paused();
    if (why) return say(why);
    if (left <= 0) return void refresh();
    say(auto.dataset.next.replace("{}", left));
    left--;
  }

  toggle.addEventListener("change", remember);
  every.addEventListener("change", remember);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("toggle", tick, true);
  left = Number(every.value);
  setInterval(tick, 1000);
  tick();
})();
