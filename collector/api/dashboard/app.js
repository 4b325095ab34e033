// SPDX-License-Identifier: Apache-2.0
// The dashboard. It asks the collector that served it, shows what comes, and says so
// when nothing comes. Two rules hold throughout:
// - Text goes into the page as text (textContent); nothing is ever parsed as HTML.
// - What is shown as a verdict is younger than STALE_MS, or it is not shown as one.
"use strict";

const STALE_MS = 10000; // without an answer of the collector's loop
const POLL_MS = 2000; // while there is no stream
const POLL_LIVE_MS = 3000; // beside the stream, for what it does not carry
const SLOW_MS = 10000; // signatures, the timeline
const ASK_MS = 5000; // for one answer
const STREAM_SILENT_MS = 12000; // the collector says something each 5 s
const VERDICTS_AT_ONCE = 24; // full verdicts a round; more are taken in turn
const EVENTS_SHOWN = 30;
const FOUND_SHOWN = 50;
const STATES = ["online", "suspect", "offline", "planned", "absent", "unknown"];
const WORST_FIRST = ["abort", "hold", "proceed"];

const REASONS = {
	unknown_deployment: "No rollout of this name was created.",
	unknown_ring: "The rollout does not go through this ring.",
	withdrawn: "The rollout was withdrawn.",
	finished: "The rollout is finished.",
	blind: "The collector cannot judge silence: it has not listened long enough, or cannot hear.",
	blackout: "Hosts without the change fell silent, too: this may be the network or the power, not the change.",
	store_failed: "The collector's store fails: what it knows is not safe on disk.",
	not_started: "The ring, or its next step, was not started.",
	previous_ring_not_passed: "The ring before has not passed yet.",
	ring_unhealthy: "More hosts fail here than the limit allows, before anything was started.",
	no_exposed_hosts: "No host here has the change yet.",
	coverage_low: "Too few of the hosts with the change are being heard.",
	too_few_hosts: "Too few hosts are at risk to judge by.",
	bake_incomplete: "It has not been watched for its whole bake.",
	drill: "A drill is on: a staged failure, to prove that the brake works. Nothing has failed, and it clears by itself.",
};
const WARNINGS = {
	ring_share: "The ring is not the share of the fleet that its policy claims.",
	overlap: "A host here has another active rollout, too: its failure counts in both.",
	coverage_of_hooks: "A host here cannot see a kind of crash that the policy counts.",
	limit_below_noise: "The fleet's everyday failures alone would cross this limit with more than 10 %.",
	unregistered_change: "A host here runs a version that no rollout names.",
	enrolment_jump: "Many hosts are new in this ring within the hour.",
	duplicate_identity: "Two machines claim the name of one host here.",
	drill_stale: "The way from a failure to this verdict was not proved by a drill within a day.",
};
const RULES = {
	crashed: "hosts crashed", offline: "hosts went offline", failed: "hosts crashed or went offline",
	module_failed: "hosts failed to load a module", exposure: "more hosts have the change than the step allows",
};
const PROOFS = {
	share: "more than chance explains", signature: "two hosts share a crash nobody had before",
	boot_loop: "a host reboots again and again",
};

const $ = (id) => document.getElementById(id);
const state = {
	token: "", rings: [], deployments: [], verdicts: new Map(), heard: 0, heardWall: 0, stale: false,
	live: false, picked: "", open: new Set(), spoken: new Map(), events: [], pages: new Map(), turn: 0, running: false,
};

// ---- making elements ---------------------------------------------------------------------

function make(tag, attributes, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {})) {
		if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
		else node.setAttribute(name, value);
	}
	node.append(...children.filter((child) => child !== null));
	return node;
}

function draw(tag, attributes, ...children) {
	const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
	node.append(...children);
	return node;
}

// A verdict's shape differs, not its colour alone: a round tick, a square pause, an octagon's cross.
const SHAPES = {
	proceed: ["M50 3a47 47 0 1 0 .1 0Z", "M27 52 43 68 74 33"],
	hold: ["M8 8h84v84H8Z", "M38 30v40M62 30v40"],
	abort: ["M31 3h38l28 28v38L69 97H31L3 69V31Z", "M33 33 67 67M67 33 33 67"],
	none: ["M50 4 96 50 50 96 4 50Z", "M50 28v28M50 70v3"],
};
function shape(verdict, solid) {
	const [outline, sign] = SHAPES[verdict] || SHAPES.none;
	return draw("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" },
		draw("path", { d: outline, fill: solid ? "none" : "currentColor", stroke: "currentColor", "stroke-width": solid ? 6 : 0 }),
		draw("path", { d: sign, fill: "none", stroke: solid ? "currentColor" : "var(--card)", "stroke-width": 12, "stroke-linecap": "round" }));
}

function icon(verdict) {
	const colour = { proceed: "#0b6b3a", hold: "#c77700", abort: "#b3121d" }[verdict] || "#777";
	const [outline, sign] = SHAPES[verdict] || SHAPES.none;
	$("icon").href = "data:image/svg+xml," + encodeURIComponent(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><path d="${outline}" fill="${colour}"/>` +
		`<path d="${sign}" fill="none" stroke="#fff" stroke-width="12"/></svg>`);
}

// ---- figures in words ----------------------------------------------------------------------

const clock = (at) => at ? new Date(at).toLocaleTimeString([], { hour12: false }) : "–";
const moment = (at) => at ? new Date(at).toLocaleString([], { hour12: false, dateStyle: "short", timeStyle: "medium" }) : "–";
const many = (n, one, more) => `${n.toLocaleString("en")} ${n === 1 ? one : more || one + "s"}`;
function percent(share) {
	const p = share * 100;
	return (p === 0 || p === 100 ? p.toFixed(0) : p < 0.1 ? p.toPrecision(2) : p < 10 ? p.toFixed(2) : p.toFixed(1)) + " %";
}
function lasting(seconds) {
	const s = Math.max(0, Math.ceil(seconds));
	const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
	if (d) return `${d} d ${h} h`;
	if (h) return m ? `${h} h ${m} min` : `${h} h`;
	return m ? `${m} min ${s % 60} s` : `${s} s`;
}

// One sentence on what a verdict's figures can and cannot prove.
function proof(v) {
	const { failed: f, noise } = v;
	if (f.hosts === 0) return "No host is at risk yet, so these figures prove nothing: neither that the change is good nor that it is bad.";
	const seen = f.count === 0
		? `None of ${many(f.hosts, "host")} failed`
		: `${f.count} of ${many(f.hosts, "host")} failed, so with 95 % confidence the true share is at least ${percent(f.lower95)}` +
			(f.limit >= 0 ? `, ${f.lower95 > f.limit ? "above" : "which does not prove it above"} the limit of ${percent(f.limit)}` : "");
	const good = f.certified
		? `; at most ${percent(f.upper95)} fail (95 %, of ${many(f.observed_full, "host")} watched for the whole bake), which is within the limit`
		: f.observed_full > 0
			? `; up to ${percent(f.upper95)} could still be failing, so it is not proved to be within the limit`
			: "; that the share is within the limit is not proved before hosts were watched for a whole bake";
	const power = `; only a fault that kills at least ${percent(noise.detection_power)} of hosts would show among ${many(f.hosts, "host")} with 95 %`;
	const chance = noise.false_trip_probability >= 0.01
		? `, and everyday failures alone would open this breaker with ${percent(noise.false_trip_probability)}.` : ".";
	return seen + good + power + chance;
}

function because(v) {
	const b = v.breaker;
	if (b.state !== "open") return "";
	const whose = v.own === false ? "The breaker of another ring of this rollout is" : "The breaker is";
	const how = b.grade === "evidence" ? PROOFS[b.proof] || "beyond chance" : "above the limit";
	return `${whose} open${b.opened_at ? " since " + clock(b.opened_at) : ""}: ${RULES[b.rule] || b.rule} (${how}).`;
}

// ---- asking ------------------------------------------------------------------------------------

class Refused extends Error {}

async function ask(path) {
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), ASK_MS);
	try {
		const answer = await fetch(path, { headers: { Authorization: `Bearer ${state.token}`, Accept: "application/json" },
			signal: stop.signal, cache: "no-cache", credentials: "omit" });
		if (answer.status === 401) throw new Refused("The collector does not know this token.");
		if (answer.status === 404) return null;
		if (!answer.ok) throw new Error(`status ${answer.status}`);
		return await answer.json();
	} finally {
		clearTimeout(timer);
	}
}

// Two clocks, and the one that says more counts: a monotonic one may stand while a laptop sleeps.
function heard() {
	state.heard = performance.now();
	state.heardWall = Date.now();
}
const silence = () => Math.max(performance.now() - state.heard, Math.abs(Date.now() - state.heardWall));

const key = (deployment, ring) => `${deployment}/${ring}`;
const active = () => state.deployments.filter((d) => d.state === "active");

// A full verdict, made of the summary where only that is known.
function verdictOf(deployment, run) {
	const full = state.verdicts.get(key(deployment, run.ring));
	const own = run.breaker === "open"; // a breaker that is open makes every ring of its rollout abort
	if (full) return { ...full, own };
	return {
		own, deployment, ring: run.ring, verdict: run.verdict, reasons: run.reasons, warnings: [], partial: true,
		breaker: { state: run.breaker, rule: run.rule, grade: "limit", proof: "none", opened_at: "", evidence: [] },
		bake: { state: run.bake, step: run.step, steps: run.steps, required_seconds: run.required_seconds,
			observed_seconds: run.observed_seconds, remaining_seconds: run.required_seconds - run.observed_seconds },
		failed: { hosts: run.at_risk, count: run.failed, ratio: run.at_risk ? run.failed / run.at_risk : 0, limit: -1,
			lower95: 0, upper95: 1, observed_full: 0, certified: false },
		noise: { expected_natural: 0, false_trip_probability: 0, detection_power: 1 },
		coverage: { ratio: 1, minimum: 0 }, hosts: { exposed: run.exposed },
	};
}

async function look() {
	const begun = state.token;
	const [rings, deployments] = await Promise.all([ask("/v1/rings"), ask("/v1/deployments")]);
	const runs = deployments.deployments.filter((d) => d.state === "active")
		.flatMap((d) => d.rings.map((run) => [d.deployment, run]));
	const chosen = runs.length <= VERDICTS_AT_ONCE ? runs : runs.filter(([d, run], i) => key(d, run.ring) === state.picked ||
		(i - state.turn + runs.length) % runs.length < VERDICTS_AT_ONCE);
	state.turn = runs.length ? (state.turn + VERDICTS_AT_ONCE) % runs.length : 0;
	const full = await Promise.all(chosen.map(([d, run]) =>
		ask(`/v1/verdict?deployment=${encodeURIComponent(d)}&ring=${encodeURIComponent(run.ring)}`)));
	if (begun !== state.token) return;
	state.rings = rings.rings;
	state.deployments = deployments.deployments;
	const kept = new Map();
	for (const [d, run] of runs) {
		// Figures of an earlier round count only while the verdict they go with is still the same.
		const old = state.verdicts.get(key(d, run.ring));
		if (old && old.verdict === run.verdict) kept.set(key(d, run.ring), old);
	}
	for (const v of full) if (v) kept.set(key(v.deployment, v.ring), v);
	state.verdicts = kept;
	heard();
}

async function lookSlowly() {
	const [deployment, ring] = state.picked.split("/");
	const where = deployment ? `&deployment=${encodeURIComponent(deployment)}` : "";
	const [events, signatures, timeline] = await Promise.all([
		ask(`/v1/events?limit=${EVENTS_SHOWN}`), ask(`/v1/signatures?limit=10${where}`),
		ring ? ask(`/v1/deployments/${encodeURIComponent(deployment)}/rings/${encodeURIComponent(ring)}/timeline?points=240`) : null,
	]);
	if (events) state.events = events.events;
	showEvents();
	showSignatures(signatures && signatures.signatures, deployment);
	showTimeline(timeline);
}

// ---- the stream ------------------------------------------------------------------------------------

// What came while a round was under way may be newer than that round: then there is another at once.
let again = false, resume = null;
function wake() {
	again = true;
	if (resume) resume();
}
async function pause(ms) {
	if (!again) await new Promise((resolve) => { resume = resolve; setTimeout(resolve, ms); });
	again = false;
	resume = null;
}

function take(kind, data) {
	if (kind === "verdict") {
		heard();
		for (const d of state.deployments) {
			if (d.deployment !== data.deployment) continue;
			const run = d.rings.find((one) => one.ring === data.ring);
			if (run) Object.assign(run, { verdict: data.verdict, reasons: data.reasons, breaker: data.breaker,
				rule: data.rule, exposed: data.exposed, failed: data.failed });
		}
		const old = state.verdicts.get(key(data.deployment, data.ring));
		if (old) {
			Object.assign(old, { verdict: data.verdict, reasons: data.reasons });
			Object.assign(old.breaker, { state: data.breaker, rule: data.rule });
			old.failed.count = data.failed;
		}
		state.slow = -SLOW_MS; // signatures and the plot, too
		wake();
	} else if (kind === "ring") {
		heard();
		const ring = state.rings.find((one) => one.ring === data.ring);
		if (ring) ring.hosts = data.hosts;
	} else if (kind === "event") {
		heard();
		state.events = [data, ...state.events.filter((one) => one.event !== data.event)].slice(0, EVENTS_SHOWN);
		showEvents();
	} else {
		return;
	}
	show();
}

async function follow() {
	const token = state.token;
	let last = "";
	while (state.running && token === state.token) {
		const stop = new AbortController();
		let timer = setTimeout(() => stop.abort(), STREAM_SILENT_MS);
		let wait = 2000;
		try {
			const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
			if (last) headers["Last-Event-ID"] = last;
			const answer = await fetch("/v1/stream", { headers, signal: stop.signal, cache: "no-store", credentials: "omit" });
			if (answer.status === 404) wait = 30000;
			if (!answer.ok) throw new Error(`status ${answer.status}`);
			state.live = true;
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			let text = "";
			for (;;) {
				const { done, value } = await reader.read();
				if (done) break;
				clearTimeout(timer);
				timer = setTimeout(() => stop.abort(), STREAM_SILENT_MS);
				text += value;
				const messages = text.split("\n\n");
				text = messages.pop();
				for (const message of messages) {
					let kind = "", data = "";
					for (const line of message.split("\n")) {
						if (line.startsWith("event: ")) kind = line.slice(7);
						else if (line.startsWith("data: ")) data += line.slice(6);
						else if (line.startsWith("id: ")) last = line.slice(4);
					}
					if (data) take(kind, JSON.parse(data));
				}
			}
		} catch (error) {
			// The polls say what is wrong; the stream only comes back.
		}
		clearTimeout(timer);
		state.live = false;
		showLink();
		await new Promise((resolve) => setTimeout(resolve, wait));
	}
}

// ---- showing -----------------------------------------------------------------------------------------

function showLink(trouble) {
	const link = $("link");
	const age = silence();
	state.stale = state.heard > 0 && age > STALE_MS;
	document.body.classList.toggle("stale", state.stale);
	const since = new Date(state.heardWall).toLocaleTimeString([], { hour12: false });
	link.dataset.state = trouble || state.stale ? "off" : state.live ? "live" : "poll";
	link.textContent = state.stale || trouble ? `the collector does not answer, asking again (last answer ${state.heard ? since : "never"})`
		: state.live ? `live, ${since}` : `asked every ${POLL_MS / 1000} s, ${since}`;
	const alert = $("alert");
	const words = state.stale ? `No answer since ${since}: treat as hold.` : !state.heard && trouble ? "The collector does not answer: treat as hold." : "";
	if (alert.textContent !== words) alert.textContent = words;
	alert.hidden = !words;
}

// The ring of a rollout that a decision is due on: one that aborts, else the last that was started.
function current(deployment) {
	const runs = deployment.rings;
	return runs.find((run) => run.verdict === "abort" && run.breaker === "open") || runs.find((run) => run.verdict === "abort") ||
		runs.filter((run) => run.started_at).pop() || runs[0];
}

function pick(name) {
	state.picked = name;
	show();
	lookSlowly().catch(() => {});
}

// Builds a list anew only where its content changed, so that focus and reading stay where they are.
const drawn = new Map();
function put(parent, name, content, build) {
	const text = JSON.stringify(content);
	const id = parent.id + "|" + name;
	const old = drawn.get(id);
	if (old && old.text === text && old.node.isConnected) return old.node;
	const node = build();
	if (old && old.node.isConnected) {
		const focus = old.node.contains(document.activeElement) ? document.activeElement.dataset.role : null;
		old.node.replaceWith(node);
		if (focus) {
			const again = node.dataset.role === focus ? node : node.querySelector(`[data-role="${focus}"]`);
			if (again) again.focus();
		}
	} else {
		parent.append(node);
	}
	drawn.set(id, { text, node });
	return node;
}
function keepOnly(parent, names) {
	for (const [id, { node }] of drawn) {
		if (!id.startsWith(parent.id + "|") || names.has(id.slice(parent.id.length + 1))) continue;
		node.remove();
		drawn.delete(id);
	}
}

function why(v) {
	return because(v) || (v.verdict === "proceed" ? "Nothing speaks against going on." : REASONS[v.reasons[0]] || v.reasons[0] || "");
}

function hero(d) {
	const run = current(d);
	const v = verdictOf(d.deployment, run);
	return { name: key(d.deployment, run.ring), deployment: d.deployment, ring: run.ring, verdict: v.verdict, why: why(v),
		failed: v.failed.count, hosts: v.failed.hosts, stale: state.stale };
}

function showHeroes() {
	const heroes = active().map(hero).sort((a, b) => WORST_FIRST.indexOf(a.verdict) - WORST_FIRST.indexOf(b.verdict));
	const parent = $("heroes");
	for (const h of heroes) {
		put(parent, h.deployment, h, () => make("button", { type: "button", class: "hero", "data-role": "hero",
			"data-verdict": h.stale ? "none" : h.verdict, onclick: () => pick(h.name) },
		shape(h.stale ? "none" : h.verdict, true),
		make("span", {}, make("span", { class: "word" }, h.stale ? "No answer" : h.verdict),
			make("span", { class: "where" }, `${h.deployment} on ${h.ring}`),
			make("span", { class: "why" }, h.stale ? `Treat as hold. The last answer was ${h.verdict}.`
				: `${h.why} ${h.failed} of ${many(h.hosts, "host")} failed.`))));
	}
	if (!heroes.length) put(parent, "", 0, () => make("p", { class: "idle" }, "No rollout is active. Hosts are watched all the same."));
	keepOnly(parent, new Set(heroes.length ? heroes.map((h) => h.deployment) : [""]));
	const worst = state.stale ? "none" : heroes.length ? heroes[0].verdict : "none";
	document.title = (state.stale ? "NO ANSWER · " : heroes.length ? worst.toUpperCase() + " · " : "") + "ringwatch";
	if (icon.last !== worst) icon(icon.last = worst);
}

function bar(hosts) {
	const track = make("div", { class: "track", role: "img", "aria-label": STATES.map((s) => `${hosts[s]} ${s}`).join(", ") });
	for (const name of STATES) {
		if (!hosts[name]) continue;
		const part = make("span", { class: "part", "data-state": name });
		part.style.flexGrow = hosts[name];
		if (name !== "online") part.style.minWidth = "4px";
		track.append(part);
	}
	return track;
}

// Where the share of failing hosts lies, 0.001 % … 100 % on a logarithmic scale, and the limit.
function bounds(f) {
	const x = (share) => Math.max(0, Math.min(100, (Math.log10(Math.max(share, 1e-5)) + 5) * 20));
	const picture = draw("svg", { class: "bounds", viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img",
		"aria-label": `The share of failing hosts lies between ${percent(f.lower95)} and ${percent(f.upper95)}; the limit is ${f.limit < 0 ? "none" : percent(f.limit)}` },
	draw("rect", { x: 0, y: 9, width: 100, height: 2, fill: "var(--line)" }),
	draw("rect", { x: x(f.lower95), y: 6, width: Math.max(1, x(f.upper95) - x(f.lower95)), height: 8, fill: "var(--soft)", opacity: .55 }));
	if (f.limit >= 0) picture.append(draw("rect", { x: x(f.limit) - .4, y: 0, width: .8, height: 20, fill: "var(--text)" }));
	if (f.count > 0) picture.append(draw("rect", { x: x(f.ratio) - .7, y: 4, width: 1.4, height: 12, fill: "var(--offline)" }));
	return picture;
}

function bakeCell(v) {
	const b = v.bake;
	const track = make("div", { class: "track", "aria-hidden": "true" });
	const share = b.required_seconds ? Math.min(1, b.observed_seconds / b.required_seconds) : b.state === "complete" ? 1 : 0;
	const done = make("span", { class: "done" });
	const rest = make("span", {});
	done.style.flexGrow = share;
	rest.style.flexGrow = 1 - share;
	track.append(done, rest);
	const word = { not_started: "not started", baking: `${lasting(b.remaining_seconds)} left`, complete: "bake complete",
		paused: `paused, ${lasting(b.remaining_seconds)} left` }[b.state] || b.state;
	return make("div", {}, make("span", { class: "figure" }, word), track,
		make("span", { class: "small" }, `${lasting(b.observed_seconds)} of ${lasting(b.required_seconds)}, step ${b.step} of ${b.steps}`));
}

function failedCell(v) {
	const f = v.failed;
	if (!f.hosts) return make("div", {}, make("span", { class: "figure" }, "no host at risk yet"));
	return make("div", {}, make("span", { class: f.count ? "figure bad" : "figure" }, `${f.count} of ${many(f.hosts, "host")} failed`),
		v.partial ? null : bounds(f),
		v.partial ? null : make("span", { class: "small" }, `95 %: ${percent(f.lower95)} … ${percent(f.upper95)}, limit ${f.limit < 0 ? "none" : percent(f.limit)}`));
}

function row(ring, d, run) {
	const v = d ? verdictOf(d.deployment, run) : null;
	const name = d ? key(d.deployment, ring.ring) : "/" + ring.ring;
	const open = state.open.has(name);
	const count = ring.hosts;
	const word = !v ? "idle" : state.stale ? "no answer" : v.verdict;
	const item = make("li", { class: name === state.picked ? "row picked" : "row", "data-verdict": v && !state.stale ? v.verdict : "none",
		"data-ring": ring.ring, "data-deployment": d ? d.deployment : "" });
	const words = v ? [...(because(v) ? [because(v)] : []), ...v.reasons.map((r) => REASONS[r] || r)] : [];
	const off = STATES.slice(1).filter((s) => count[s]).map((s) => `${count[s]} ${s}`);
	item.append(make("div", { class: "grid" },
		make("div", { class: "badge" }, shape(v && !state.stale ? v.verdict : "none", false), make("span", {}, word)),
		make("div", {}, make("div", { class: "name" }, ring.ring),
			make("div", { class: "small" }, d ? `${d.deployment} · ${d.component} ${d.version}` : "no rollout here"),
			state.stale && v ? make("div", { class: "small" }, `was ${v.verdict}; no answer since ${new Date(state.heardWall).toLocaleTimeString([], { hour12: false })}: treat as hold`) : null),
		v ? bakeCell(v) : make("div", { class: "small" }, ""),
		make("div", {}, make("span", { class: "figure" }, `${count.online} of ${many(count.enrolled, "host")} online`), bar(count),
			make("span", { class: "small" }, off.length ? off.join(", ") : "none is missing")),
		v ? failedCell(v) : make("div", {}),
		make("button", { type: "button", "data-role": "open", "aria-expanded": String(open),
			"aria-label": `${open ? "Close" : "Open"} ${ring.ring}${d ? " of " + d.deployment : ""}`, onclick: () => toggle(name) }, open ? "Close" : "Open"),
		words.length || (v && v.warnings.length) ? make("ul", { class: "reasons" }, ...words.map((w) => make("li", {}, w)),
			...v.warnings.map((w) => make("li", { class: "warning" }, WARNINGS[w] || w))) : null));
	if (open) item.append(inside(name, ring, v));
	return item;
}

function toggle(name) {
	if (!state.open.delete(name)) {
		state.open.add(name);
		if (!name.startsWith("/")) pick(name);
		moreHosts(name, name.split("/")[1], true);
	}
	show();
}

async function moreHosts(name, ring, anew) {
	const page = anew ? { hosts: [], cursor: "" } : state.pages.get(name);
	try {
		const answer = await ask(`/v1/hosts?ring=${encodeURIComponent(ring)}&limit=50` + (page.cursor ? `&cursor=${encodeURIComponent(page.cursor)}` : ""));
		state.pages.set(name, { hosts: [...page.hosts, ...answer.hosts], cursor: answer.next_cursor });
	} catch (error) {
		state.pages.set(name, { ...page, error: "The hosts could not be read." });
	}
	show();
}

function hostLine(host) {
	return make("li", {}, make("button", { type: "button", "data-role": "host-" + host.host, onclick: () => showHost(host.host) }, host.host), ` ${host.state}`,
		make("span", { class: "small" }, ` in ${host.ring}, heard ${clock(host.last_heard)}` +
			(host.excluded ? ", excluded" : "") + (host.safe_start ? ", safe start" : "") + (host.unregistered ? ", unregistered version" : "")));
}

function inside(name, ring, v) {
	const page = state.pages.get(name);
	const box = make("div", { class: "open" });
	if (v) {
		box.append(make("h3", {}, "Evidence"));
		const lines = v.breaker.evidence;
		box.append(lines.length ? make("ol", { class: "feed evidence" }, ...lines.map((line) => make("li", {},
			line.event ? make("button", { type: "button", "data-role": "event-" + line.event, onclick: () => showEvent(line.event) }, `${line.kind} on ${line.host}`)
				: make("span", {}, `${line.kind} on ${line.host}`),
			make("span", { class: "small" }, ` ${clock(line.at)} ${line.signature}`))))
			: make("p", { class: "small" }, "Nothing speaks against it."));
	}
	box.append(make("h3", {}, `Hosts of ${ring.ring}`), make("ul", { class: "hosts" }, ...(page ? page.hosts : []).map(hostLine)));
	if (page && page.error) box.append(make("p", { class: "refused" }, page.error));
	if (page && page.cursor) box.append(make("button", { type: "button", "data-role": "more", onclick: () => moreHosts(name, ring.ring, false) }, "More hosts"));
	return box;
}

function showRings() {
	const parent = $("rings");
	const names = new Set();
	for (const ring of [...state.rings].sort((a, b) => a.order - b.order)) {
		const here = active().map((d) => [d, d.rings.find((run) => run.ring === ring.ring)]).filter(([, run]) => run);
		for (const [d, run] of here.length ? here : [[null, null]]) {
			const name = d ? key(d.deployment, ring.ring) : "/" + ring.ring;
			names.add(name);
			const content = [ring.ring, ring.hosts, d && verdictOf(d.deployment, run), state.stale, state.open.has(name) && (state.pages.get(name) || 1), name === state.picked];
			if (content[2]) content[2] = { ...content[2], evaluated_at: "" };
			const node = put(parent, name, content, () => row(ring, d, run));
			if (parent.children[names.size - 1] !== node) parent.insertBefore(node, parent.children[names.size - 1] || null);
		}
	}
	keepOnly(parent, names);
}

function showChosen() {
	const [deployment, ring] = state.picked.split("/");
	const d = active().find((one) => one.deployment === deployment);
	const run = d && d.rings.find((one) => one.ring === ring);
	$("chosen").hidden = !run;
	if (!run) return;
	$("chosen-title").textContent = `${deployment} on ${ring}`;
	$("proof").textContent = state.stale ? "The figures are old and prove nothing." : proof(verdictOf(deployment, run));
}

// Says a changed verdict aloud, once.
function speak() {
	if (state.stale) return;
	const said = [];
	for (const d of active()) for (const run of d.rings) {
		const name = key(d.deployment, run.ring);
		if (state.spoken.has(name) && state.spoken.get(name) !== run.verdict) said.push(`${d.deployment} on ${run.ring}: ${run.verdict}. ${why(verdictOf(d.deployment, run))}`);
		state.spoken.set(name, run.verdict);
	}
	if (said.length) $("spoken").textContent = said.join(" ");
}

function show() {
	if (!state.heard) return;
	const names = active().flatMap((d) => d.rings.map((run) => key(d.deployment, run.ring)));
	if (!names.includes(state.picked)) {
		const first = active().map(hero).sort((a, b) => WORST_FIRST.indexOf(a.verdict) - WORST_FIRST.indexOf(b.verdict))[0];
		state.picked = first ? first.name : "";
	}
	showLink();
	showHeroes();
	showRings();
	showChosen();
	speak();
}

function showEvents() {
	const parent = $("events");
	for (const e of state.events) put(parent, e.event || String(e.id), e, () => make("li", {},
		make("button", { type: "button", "data-role": "event", onclick: () => showEvent(e.event) }, `${e.kind} on ${e.host}`),
		make("span", { class: "small" }, ` ${clock(e.at)} ${e.ring}${e.count > 1 ? ", " + e.count + " times" : ""}`),
		make("div", { class: "small mono" }, e.detail || e.signature)));
	for (const e of state.events) { // in order, newest first
		const entry = drawn.get("events|" + (e.event || String(e.id)));
		if (entry) parent.append(entry.node);
	}
	if (!state.events.length) put(parent, "", 0, () => make("li", { class: "small" }, "No event so far."));
	keepOnly(parent, new Set(state.events.length ? state.events.map((e) => e.event || String(e.id)) : [""]));
}

function showSignatures(rows, deployment) {
	const parent = $("signatures");
	const note = !rows ? "This collector does not list signatures." : rows.length ? "" : "No signature so far.";
	put(parent, "all", [rows, deployment], () => make("li", { class: "small" }, note));
	parent.replaceChildren(...(note ? [make("li", { class: "small" }, note)] : rows.map((s) => make("li", {},
		make("span", { class: "mono" }, s.signature), " ",
		s.new_since.includes(deployment) ? make("span", { class: "new" }, `new since ${deployment}`) : null,
		make("div", { class: "small" }, `${many(s.hosts, "host")}, ${many(s.events, "event")}, last ${moment(s.last_at)}, ${s.rings.join(", ")}`)))));
}

function showTimeline(timeline) {
	const box = $("plot");
	const points = timeline ? timeline.points : [];
	if (points.length < 2) {
		box.replaceChildren(make("p", { class: "small" }, timeline ? "The plot begins with the ring's second sample." : "This collector keeps no timeline of this ring."));
		return;
	}
	const [from, to] = [Date.parse(points[0].at), Date.parse(points[points.length - 1].at)];
	const most = Math.max(1, ...points.map((p) => p.exposed));
	const worst = Math.max(1, ...points.map((p) => p.failed));
	const line = (name, value) => draw("polyline", { class: name, points: points.map((p) =>
		`${((Date.parse(p.at) - from) / Math.max(1, to - from) * 1000).toFixed(1)},${(195 - value(p) * 185).toFixed(1)}`).join(" ") });
	const last = points[points.length - 1];
	box.replaceChildren(draw("svg", { viewBox: "0 0 1000 200", preserveAspectRatio: "none", role: "img",
		"aria-label": `From ${moment(points[0].at)} to ${moment(last.at)}: ${last.exposed} exposed, ${last.failed} failed, coverage ${percent(last.coverage)}` },
	draw("line", { class: "axis", x1: 0, x2: 1000, y1: 195, y2: 195 }), draw("line", { class: "axis", x1: 0, x2: 1000, y1: 10, y2: 10 }),
	line("exposed", (p) => p.exposed / most), line("coverage", (p) => p.coverage), line("failed", (p) => p.failed / worst)),
	make("div", { class: "key" }, make("span", {}, `${clock(points[0].at)} … ${clock(last.at)}`), make("span", {}, `— exposed, top ${most}`),
		make("span", {}, "- - coverage, top 100 %"), make("span", {}, `━ failed, top ${worst}`)));
}

// ---- details and search ---------------------------------------------------------------------------

function dialog(title, ...children) {
	$("detail-title").textContent = title;
	$("detail-body").replaceChildren(...children);
	if (!$("detail").open) $("detail").showModal();
}

function facts(pairs) {
	return make("dl", {}, ...pairs.filter(([, value]) => value !== "" && value !== undefined).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}

async function showEvent(id) {
	dialog(id, make("p", {}, "Asking …"));
	let e = null;
	try {
		e = await ask("/v1/events/" + id.split("/").map(encodeURIComponent).join("/"));
	} catch (error) {
		return dialog(id, make("p", {}, "The collector did not answer."));
	}
	if (!e) return dialog(id, make("p", {}, "This event is kept no more."));
	dialog(`${e.kind} on ${e.host}`,
		facts([["at", moment(e.at)], ["ring", e.ring], ["what", e.detail], ["signature", e.signature], ["symbol", e.symbol], ["module", e.module],
			["task", e.comm ? `${e.comm} (${e.pid})` : ""], ["seen by", e.source], ["times", e.count], ["boot", e.boot_id],
			...Object.entries(e.facts)]),
		...(e.stack.length ? [make("h3", {}, "Stack"), make("pre", {}, e.stack.join("\n"))] : []),
		make("h3", {}, "Kernel log around it"), make("pre", { class: "log" }, e.log || "The sensor sent none."));
}

async function showHost(name) {
	dialog(name, make("p", {}, "Asking …"));
	let h = null;
	try {
		h = await ask("/v1/hosts/" + encodeURIComponent(name));
	} catch (error) {
		return dialog(name, make("p", {}, "The collector did not answer."));
	}
	if (!h) return dialog(name, make("p", {}, "Nobody knows this host."));
	dialog(h.host, facts([["state", h.state], ["ring", h.ring], ["since", moment(h.since)], ["heard", moment(h.last_heard)], ["back by", h.back_by && moment(h.back_by)],
		["kernel", h.kernel_release], ["sensor", h.program], ["netconsole", h.netconsole], ["spool", h.spool.state], ["lost events", h.lost_events]]),
	make("h3", {}, "Versions"), facts(h.versions.map((v) => [v.subject, v.value || "not loaded"])),
	make("h3", {}, "What it was"), make("ul", {}, ...h.transitions.map((t) => make("li", {}, `${moment(t.at)}: ${t.from} to ${t.to}`))));
}

async function search(wanted) {
	const found = [];
	let cursor = "", seen = 0;
	const note = $("found-note");
	note.textContent = "Looking …";
	$("found").replaceChildren();
	try {
		do {
			const page = await ask("/v1/hosts?limit=1000" + (cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""));
			seen += page.hosts.length;
			found.push(...page.hosts.filter((host) => host.host.includes(wanted)));
			cursor = page.next_cursor;
		} while (cursor && found.length < FOUND_SHOWN);
	} catch (error) {
		note.textContent = "The collector did not answer.";
		return;
	}
	note.textContent = `${found.length > FOUND_SHOWN || cursor ? "The first " + FOUND_SHOWN : found.length} of ${many(seen, "host")} that were looked through`;
	$("found").replaceChildren(...found.slice(0, FOUND_SHOWN).map(hostLine));
}

// ---- life --------------------------------------------------------------------------------------------

function enter(words) {
	state.running = false;
	state.token = "";
	sessionStorage.removeItem("token");
	$("enter").hidden = false;
	$("view").hidden = $("leave").hidden = true;
	$("refused").textContent = words;
	$("link").textContent = "not connected";
	$("alert").hidden = true;
	$("token").focus();
}

async function run(token) {
	Object.assign(state, { token, running: true, heard: 0 });
	sessionStorage.setItem("token", token);
	$("enter").hidden = true;
	$("leave").hidden = false;
	follow();
	let answered = 0;
	state.slow = -SLOW_MS;
	while (state.running && token === state.token) {
		try {
			await look();
			$("view").hidden = false;
			show();
			if (performance.now() - state.slow > (state.live ? SLOW_MS : POLL_MS)) {
				state.slow = performance.now();
				await lookSlowly();
			}
			answered = performance.now();
		} catch (error) {
			if (error instanceof Refused) return enter(error.message);
			showLink("trouble");
			if (state.stale) show();
		}
		await pause(state.live && answered ? POLL_LIVE_MS : POLL_MS);
	}
}

function startUp() {
	// A token handed over in the fragment never reaches a server, and leaves the address at once.
	const handed = new URLSearchParams(location.hash.slice(1)).get("token");
	if (handed) history.replaceState(null, "", location.pathname);
	$("enter").addEventListener("submit", (event) => {
		event.preventDefault();
		const token = $("token").value.trim();
		$("token").value = "";
		$("refused").textContent = "";
		if (/^[\x21-\x7e]+$/.test(token)) run(token);
		else $("refused").textContent = "That is no token.";
	});
	$("leave").addEventListener("click", () => enter(""));
	$("search").addEventListener("submit", (event) => { event.preventDefault(); search($("wanted").value.trim()); });
	$("close").addEventListener("click", () => $("detail").close());
	const check = () => {
		if (!state.running || !state.heard) return;
		const before = state.stale;
		if (silence() > STALE_MS || before) showLink("trouble");
		if (state.stale !== before) show();
	};
	setInterval(check, 500);
	document.addEventListener("visibilitychange", () => { check(); wake(); });
	window.addEventListener("pageshow", check);
	const token = handed || sessionStorage.getItem("token");
	if (token) run(token);
	else enter("");
}
startUp();
