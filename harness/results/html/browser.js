/* Predictions: which of them a filter leaves, 50 at a time.

   A block is a run's sheet at a stage: rows `start` to `start + n`, one per item. `before` is the
   block of the same items at the last earlier stage that has them, or at stage 0 where every stage of
   the run is trained from the initial model. */

const SHOWN = 50;
const RIGHT = 1, WRONG = 2, LOST = 4, GAINED = 8, FORMAT = 16;
const STATES = { right: RIGHT, wrong: WRONG, lost: LOST, gained: GAINED, format: FORMAT };

const predictions = { data: null, blocks: [], flags: null, found: new Uint32Array(0), first: 0 };

function unpackedFloats(packed) {
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return new Float32Array(bytes.buffer);
}

function readIndex() {
  const data = JSON.parse(byId("index").textContent);
  for (const sheet of data.sheets) {
    sheet.strict = unpackedFloats(sheet.strict);
    sheet.lenient = sheet.lenient === null ? null : unpackedFloats(sheet.lenient);
  }
  predictions.data = data;
  let start = 0;
  for (const [run, one] of data.runs.entries()) {
    const last = new Map();
    for (const [stage, number] of [...one.cells].sort((a, b) => a[0] - b[0])) {
      const sheet = data.sheets[number];
      const set = data.sets[sheet.set];
      const block = { run, stage, sheet, set, start, n: set.n, before: last.get(sheet.set) ?? null };
      if (!one.alone || stage === 0) last.set(sheet.set, block);
      predictions.blocks.push(block);
      start += set.n;
    }
  }
  predictions.flags = new Uint8Array(start);
  for (const block of predictions.blocks) markBlock(block, data.right);
}

function markBlock(block, bound) {
  const { strict, lenient } = block.sheet;
  const earlier = block.before?.sheet.strict;
  for (let at = 0; at < block.n; at++) {
    if (Number.isNaN(strict[at])) continue;
    const right = strict[at] >= bound;
    let flags = right ? RIGHT : WRONG;
    if (earlier && !Number.isNaN(earlier[at]) && earlier[at] >= bound !== right) {
      flags |= right ? GAINED : LOST;
    }
    if (!right && lenient && lenient[at] >= bound) flags |= FORMAT;
    predictions.flags[block.start + at] = flags;
  }
}

/* The block of a row. */
function blockOf(row) {
  let low = 0, high = predictions.blocks.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (predictions.blocks[middle].start <= row) low = middle;
    else high = middle - 1;
  }
  return predictions.blocks[low];
}

const nameOf = (set) => `${set.suite}: ${set.benchmark}`;
const itemOf = (block, row) => visible(block.set.ids?.[row - block.start] ?? String(row - block.start));

function chosenBlocks() {
  const run = byId("run").value, task = byId("task").value, stage = byId("stage").value;
  return predictions.blocks.filter(
    (block) =>
      (run === "" || block.run === Number(run)) &&
      (task === "" || nameOf(block.set) === task) &&
      (stage === "" || block.stage === Number(stage)),
  );
}

/* Rows of blocks whose flags fit and whose texts, which are unpacked, hold the words. */
function matching(blocks, wanted, needle) {
  const found = [];
  const asked = new Map(); // set -> which of its items hold the words
  for (const block of blocks) {
    const answers = needle && texts.lower(block.sheet.texts)[0];
    if (needle && !asked.has(block.set)) asked.set(block.set, inQuestions(block.set, needle));
    const hits = asked.get(block.set);
    for (let at = 0; at < block.n; at++) {
      if (wanted && !(predictions.flags[block.start + at] & wanted)) continue;
      if (needle && !hits[at] && !answers[at].includes(needle)) continue;
      found.push(block.start + at);
    }
  }
  return Uint32Array.from(found);
}

function inQuestions(set, needle) {
  const hits = new Uint8Array(set.n);
  for (const list of texts.lower(set.texts)) {
    for (let at = 0; at < set.n; at++) if (list[at].includes(needle)) hits[at] = 1;
  }
  return hits;
}

let asking = 0;

/* Unpack the texts of blocks; fast where that was done before. */
function unpacked(blocks) {
  const wanted = new Set(blocks.flatMap((block) => [block.sheet.texts, block.set.texts]));
  return Promise.all([...wanted].map((number) => texts.load(number)));
}

async function filter() {
  const mine = ++asking;
  const needle = byId("search").value.toLowerCase();
  const blocks = chosenBlocks();
  if (needle && blocks.some((block) => !texts.ready.has(block.sheet.texts))) {
    byId("count").textContent = "Unpacking texts …";
  }
  if (needle) {
    await unpacked(blocks);
    if (mine !== asking) return;
  }
  const start = performance.now();
  predictions.found = matching(blocks, STATES[byId("state").value] ?? 0, needle);
  predictions.first = 0;
  list();
  performance.measure("filter", { start });
}

function list() {
  const { found, first } = predictions;
  const total = predictions.flags.length;
  byId("count").textContent = `${found.length.toLocaleString("en")} of ${total.toLocaleString("en")} predictions`;
  const heads = ["Item", "Run", "Task", "Stage", "Score", "Lenient", "State", "Answer"];
  const numbers = ["Stage", "Score", "Lenient"];
  const head = made("tr");
  for (const text of heads) {
    head.append(made("th", text, { scope: "col", class: numbers.includes(text) ? "num" : "" }));
  }
  const body = made("tbody");
  for (const row of found.subarray(first, first + SHOWN)) body.append(listed(row));
  const table = made("table");
  table.append(made("caption", "Predictions"), made("thead"), body);
  table.tHead.append(head);
  byId("list").replaceChildren(table);
  const last = Math.min(first + SHOWN, found.length);
  byId("place").textContent = found.length ? `${first + 1} to ${last}` : "none";
  byId("previous").disabled = first === 0;
  byId("next").disabled = last >= found.length;
}

const score = (value) => (value === undefined || Number.isNaN(value) ? "–" : value.toFixed(2));

function stateOf(row) {
  const flags = predictions.flags[row];
  const word = flags & LOST ? "lost" : flags & GAINED ? "gained" : flags & RIGHT ? "right" : flags & WRONG ? "wrong" : "";
  return [word, flags & FORMAT ? `${word}, format only` : word];
}

function listed(row) {
  const block = blockOf(row), at = row - block.start;
  const [kind, told] = stateOf(row);
  const open = made("button", itemOf(block, row), { type: "button" });
  open.setAttribute("aria-label", `Item ${itemOf(block, row)} of ${visible(block.set.benchmark)}, stage ${block.stage}: all answers`);
  open.addEventListener("click", () => showItem(block, at));
  const cells = [
    made("td"),
    made("td", visible(predictions.data.runs[block.run].name)),
    made("td", visible(block.set.benchmark)),
    made("td", block.stage, { class: "num" }),
    made("td", score(block.sheet.strict[at]), { class: "num" }),
    made("td", score(block.sheet.lenient?.[at]), { class: "num" }),
    made("td", told, { class: kind }),
    made("td", "", { class: "answer", dir: "auto" }),
  ];
  cells[0].append(open);
  texts.load(block.sheet.texts).then((answers) => {
    if (answers !== null) cells[7].textContent = visible(shortened(answers[at], 200));
  });
  const line = made("tr");
  line.append(...cells);
  return line;
}

const shortened = (text, most) => (text.length > most ? `${text.slice(0, most)} …` : text);

function options(select, pairs) {
  select.append(new Option("all", ""), ...pairs.map(([value, text]) => new Option(text, value)));
}

function turn(by) {
  predictions.first += by;
  list();
  byId("list").focus();
}

function startBrowser() {
  readIndex();
  const { runs } = predictions.data;
  options(byId("run"), runs.map((run, at) => [at, visible(`${run.name} (${run.id.slice(0, 8)})`)]));
  const names = new Set(predictions.blocks.map((block) => nameOf(block.set)));
  options(byId("task"), [...names].map((name) => [name, visible(name)]));
  const stages = [...new Set(predictions.blocks.map((block) => block.stage))].sort((a, b) => a - b);
  options(byId("stage"), stages.map((stage) => [stage, String(stage)]));
  byId("search").closest("label").hidden = predictions.blocks.every((block) => block.sheet.texts === null);
  // Who goes to the field will search: the texts are there when the first word is.
  byId("search").addEventListener("focus", () => unpacked(predictions.blocks), { once: true });
  let waiting;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  byId("filters").addEventListener("change", (event) => event.target.id !== "search" && filter());
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(filter));
  byId("previous").addEventListener("click", () => turn(-SHOWN));
  byId("next").addEventListener("click", () => turn(SHOWN));
  filter();
}
