/* One item: its prompt, its reference and the answers of a run at every stage that has it. */

let opening = 0;

async function showItem(block, at) {
  const mine = ++opening;
  const run = predictions.data.runs[block.run];
  const title = `Item ${block.set.ids?.[at] ?? at} of ${block.set.benchmark}, ${run.name}`;
  byId("item-title").textContent = visible(title);
  const body = byId("item");
  body.replaceChildren();
  const dialog = byId("detail");
  if (!dialog.open) dialog.showModal();
  const parts = await shownParts(block, at);
  if (mine === opening) body.append(...parts); // another item may have been chosen meanwhile
}

async function shownParts(block, at) {
  const parts = [];
  const question = await texts.load(block.set.texts);
  if (question === null) parts.push(made("p", "This report was made without texts."));
  else {
    const [prompts, targets] = question;
    const prompt = prompts === null ? "The prompts of this benchmark are not known." : prompts[at];
    parts.push(...shownText("Prompt", prompt), ...shownText("Reference", targets[at]));
  }
  for (const one of predictions.blocks) {
    if (one.run === block.run && one.set === block.set) parts.push(...(await shownAnswer(one, at)));
  }
  return parts;
}

async function shownAnswer(block, at) {
  const { tasks, joint } = predictions.data.runs[block.run];
  const trained =
    block.stage === 0 ? "initial model" : joint ? "after all tasks" : `after ${tasks[block.stage - 1] ?? "training"}`;
  const [kind, told] = stateOf(block.start + at);
  const lenient = block.sheet.lenient ? `, lenient ${score(block.sheet.lenient[at])}` : "";
  const heading = made("h3", `Stage ${block.stage} (${visible(trained)}): `);
  const state = made("span", told, { class: kind });
  heading.append(state, ` ${score(block.sheet.strict[at])} ${visible(block.set.metric)}${lenient}`);
  const answers = await texts.load(block.sheet.texts);
  return answers === null ? [heading] : [heading, textBlock(answers[at])];
}

const shownText = (title, text) => [made("h3", title), textBlock(text)];
const textBlock = (text) => made("pre", visible(text), { dir: "auto", tabindex: "0" });

if (byId("index") && byId("filters")) {
  byId("close").addEventListener("click", () => byId("detail").close());
  startBrowser();
}
