// SPDX-License-Identifier: Apache-2.0
// The dashboard in a real Chromium, against a real collector with a live fleet. Prints TAP.
"use strict";
const { spawn } = require("node:child_process");
const { mkdirSync, readFileSync } = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const assert = require("node:assert");

const build = path.resolve(process.env.RINGWATCH_BUILD || "build");
const modules = path.join(build, "browser", "node_modules");
const { chromium } = require(path.join(modules, "playwright-core"));
const axe = readFileSync(path.join(modules, "axe-core", "axe.min.js"), "utf8");
const shots = path.join(build, "screenshots");
const HOSTILE = "<img src=x onerror=alert(1)>";

const stage = spawn("python3", [path.join(__dirname, "stage.py")], { stdio: ["pipe", "pipe", "inherit"] });
const lines = readline.createInterface({ input: stage.stdout })[Symbol.asyncIterator]();
async function tell(command) {
	stage.stdin.write(command + "\n");
	const { value, done } = await lines.next();
	if (done) throw new Error(`the stage ended at '${command}'`);
	return JSON.parse(value);
}

let number = 0, failures = 0;
async function test(name, body) {
	number++;
	try {
		await body();
		console.log(`ok ${number} - ${name}`);
	} catch (error) {
		failures++;
		console.log(`not ok ${number} - ${name}\n${String(error.stack).replace(/^/gm, "#   ")}`);
	}
}

async function play(browser) {
	const { url, token } = await tell("start");
	const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: "light" });
	const abroad = [], faults = [];
	let mayFail = false; // while the collector is gone on purpose
	await context.route("**/*", (route) => {
		if (!route.request().url().startsWith(url + "/") && !route.request().url().startsWith("data:")) abroad.push(route.request().url());
		return route.continue();
	});
	const page = await context.newPage();
	page.setDefaultTimeout(20000);
	page.on("pageerror", (error) => faults.push(String(error)));
	page.on("dialog", (dialog) => { faults.push("a dialog: " + dialog.message()); dialog.dismiss(); });
	// A path that this collector does not have yet is no fault of the page.
	page.on("console", (message) => {
		if (message.type() === "error" && !mayFail && !/status of 404/.test(message.text())) faults.push(message.text());
	});
	const shoot = (name, fullPage = true) => page.screenshot({ path: path.join(shots, name + ".png"), fullPage });
	const row = page.locator('.row[data-ring="canary"]');
	// What the plot shows: its words, and each line as points of its drawing.
	const plot = () => page.evaluate(() => {
		const found = { label: document.querySelector("#plot svg").getAttribute("aria-label") };
		for (const line of document.querySelectorAll("#plot polyline"))
			found[line.getAttribute("class")] = line.getAttribute("points").split(" ").map((p) => p.split(",").map(Number)).map(([x, y]) => ({ x, y }));
		return found;
	});
	const timeline = async () => (await fetch(`${url}/v1/deployments/acme-2.1/rings/canary/timeline`,
		{ headers: { Authorization: `Bearer ${token}` } })).json();

	await test("a wrong token is refused in words, and what was typed does not stay", async () => {
		await page.goto(url + "/");
		await page.getByLabel("Token").fill("wrong");
		await page.getByRole("button", { name: "Look" }).click();
		await page.getByText("does not know this token").waitFor();
		assert.equal(await page.getByLabel("Token").inputValue(), "");
		faults.length = 0; // the browser tells each 401
	});
	await test("a token in the fragment opens it, and leaves the address", async () => {
		await page.goto("about:blank");
		await page.goto(`${url}/#token=${token}`);
		await page.locator('.hero[data-verdict="hold"]').waitFor();
		assert.equal(page.url(), url + "/");
	});
	await test("the first look: hold, why, the bake, the hosts, in rollout order", async () => {
		await row.getByText("not been watched for its whole bake").waitFor();
		await row.getByText(/0 of 61 hosts failed/).waitFor();
		await row.getByText(/min .*left/).waitFor();
		assert.deepEqual(await page.locator(".row .name").allTextContents(), ["canary", "early", "broad"]);
		assert.match(await page.locator("#proof").textContent(), /None of 61 hosts failed.*only a fault that kills at least/);
		await shoot("hold-light");
		const figures = await page.evaluate(() => ({
			paint: performance.getEntriesByName("first-contentful-paint").map((e) => e.startTime)[0],
			bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
				.filter((e) => !e.name.includes("/v1/")).reduce((sum, e) => sum + e.encodedBodySize, 0) }));
		console.log(`## dashboard: first paint ${Math.round(figures.paint)} ms, ${figures.bytes} bytes of page, script and style`);
	});
	await test("the plot draws the samples of this bake", async () => {
		await page.locator("#plot svg").waitFor({ timeout: 60000 }); // two samples, and the page's slow round
		const [{ label, ...lines }, { points }] = [await plot(), await timeline()];
		assert.match(label, /61 exposed, 0 failed, coverage 100 %/);
		assert.ok(lines.exposed.length >= 2 && lines.exposed.length <= points.length, `${lines.exposed.length} of ${points.length}`);
		// Over the whole width, in the order of time; all are exposed at the end, and nothing has failed.
		for (const line of Object.values(lines)) {
			assert.deepEqual([line[0].x, line[line.length - 1].x], [0, 1000]);
			assert.deepEqual(line.map((p) => p.x), line.map((p) => p.x).sort((one, other) => one - other));
		}
		assert.equal(lines.exposed[lines.exposed.length - 1].y, 10);
		assert.deepEqual(new Set(lines.failed.map((p) => p.y)), new Set([195]));
	});
	await test("it can be used by the keyboard", async () => {
		await page.keyboard.press("Tab");
		await row.getByRole("button", { name: "Open canary" }).focus();
		await page.keyboard.press("Enter");
		await row.getByRole("button", { name: "Close canary" }).waitFor();
		await row.locator(".hosts li").nth(49).waitFor();
		await row.getByRole("button", { name: "More hosts" }).press("Enter");
		await row.locator(".hosts li").nth(60).waitFor();
		await page.keyboard.press("Tab");
	});
	await test("a host fails: abort, without a reload", async () => {
		await page.evaluate(() => { window.notReloaded = true; });
		await tell("fail");
		const begin = Date.now();
		await page.locator('.hero[data-verdict="abort"]').waitFor();
		console.log(`## dashboard: abort shown ${Date.now() - begin} ms after the kernel's line`);
		await row.getByText(/1 of 61 hosts failed/).first().waitFor();
		assert.match(await page.title(), /^ABORT/);
		assert.match(await page.locator("#spoken").textContent(), /abort/);
		assert.equal(await page.evaluate(() => window.notReloaded), true);
		await shoot("abort-light");
	});
	await test("the failure stands in the plot and among the signatures, new since the deployment", async () => {
		await page.locator('#plot svg[aria-label*="61 exposed, 1 failed"]').waitFor({ timeout: 60000 });
		const { failed } = await plot();
		assert.equal(failed[failed.length - 1].y, 10);
		assert.equal(failed[0].y, 195);
		const newest = page.locator("#signatures li").first();
		await newest.getByText("new since acme-2.1").waitFor({ timeout: 60000 });
		assert.match(await newest.locator(".mono").textContent(), /acme_complete/);
		assert.match(await newest.textContent(), /1 host, 1 event, .*canary$/);
	});
	await test("the evidence opens with the kernel's log, and hostile text stays text", async () => {
		await row.locator(".evidence button").first().click();
		await page.locator("#detail .log").getByText(HOSTILE).waitFor();
		assert.match(await page.locator("#detail-body").textContent(), /<b onclick=x>/);
		assert.match(await page.locator("#detail .log").textContent(), /BUG: kernel NULL pointer dereference[^]*acme_poll\+0x4e\/0x80/);
		assert.equal(await page.locator("#detail-body img, #detail-body script, #detail-body b, #events img, #rings img").count(), 0);
		await shoot("evidence-light", false);
		await page.keyboard.press("Escape");
	});
	await test("a host is found by a part of its name", async () => {
		await page.getByLabel("Host, or a part of its name").fill("dge-");
		await page.getByRole("button", { name: "Find" }).click();
		await page.locator("#found").getByRole("button", { name: "edge-1" }).click();
		await page.locator("#detail").getByText("What it was").waitFor();
		await page.getByRole("button", { name: "Close", exact: true }).last().click();
	});
	for (const scheme of ["light", "dark"]) {
		await test(`axe-core finds nothing serious in the ${scheme} scheme`, async () => {
			await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
			await shoot("abort-" + scheme);
			await page.evaluate(axe);
			const found = await page.evaluate(async () => (await window.axe.run()).violations
				.filter((v) => v.impact === "serious" || v.impact === "critical")
				.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120) + n.failureSummary).join(" | ")}`));
			assert.deepEqual(found, []);
		});
	}
	await test("390 px wide nothing has to be scrolled sideways", async () => {
		await page.setViewportSize({ width: 390, height: 844 });
		const wide = await page.evaluate(() => document.documentElement.scrollWidth);
		await shoot("abort-phone");
		assert.ok(wide <= 390, `the page is ${wide} px wide`);
		await page.setViewportSize({ width: 1440, height: 1000 });
	});
	await test("the collector is gone: no verdict is shown as one", async () => {
		mayFail = true;
		await tell("kill");
		await page.getByRole("alert").getByText(/No answer since .*: treat as hold/).waitFor();
		assert.equal(await page.locator('.hero[data-verdict="abort"], .row[data-verdict="abort"]').count(), 0);
		await shoot("stale-dark");
	});
	await test("it is back: so is the verdict", async () => {
		await tell("restart");
		await page.locator('.hero[data-verdict="abort"]').waitFor();
		await page.locator("#alert").waitFor({ state: "hidden" });
	});
	await test("no error in the console, and no request left for another host", async () => {
		assert.deepEqual(faults, []);
		assert.deepEqual(abroad, []);
	});
}

async function main() {
	mkdirSync(shots, { recursive: true });
	const browser = await chromium.launch({ executablePath: "/usr/bin/chromium",
		args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
	try {
		await play(browser);
	} finally {
		await browser.close();
		stage.stdin.end("quit\n");
	}
	console.log(`1..${number}`);
	process.exitCode = failures ? 1 : 0;
}
main().catch((error) => {
	console.log(`not ok ${number + 1} - the test itself\n${String(error.stack).replace(/^/gm, "#   ")}`);
	stage.stdin.end("quit\n");
	process.exitCode = 1;
});
