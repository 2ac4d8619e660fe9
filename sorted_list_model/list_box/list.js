const given = givenTo("sort-a-list");
const element = (name) => document.getElementById(`list-${name}`);
const form = document.getElementById("list");
const field = element("numbers");
const weights = readWeights(given.weights);
const N = given.list_len;
const SEP = given.max_value + 1;
const MOST_ANSWERS = 4;
const NEGLIGIBLE = 0.01;

const mean = (x) => x.reduce((sum, value) => sum + value, 0) / x.length;
const named = (tok) => (tok === SEP ? "SEP" : `${tok}`);

function signed(x) {
  const size = shown(Math.abs(x), 2);
  if (Number.isNaN(x) || size === "0.00") return size;
  return (x < 0 ? "\u2212" : "+") + size;
}

/** What layer norm divides, and what it divides it by: its epsilon lies inside the root. */
function centredAndScale(x) {
  const middle = mean(x);
  const centred = x.map((value) => value - middle);
  return { centred, scale: Math.sqrt(mean(centred.map((value) => value * value)) + given.epsilon) };
}

function layerNorm(x, name) {
  const { centred, scale } = centredAndScale(x);
  const [w, b] = [weights[`${name}.w`].data, weights[`${name}.b`].data];
  return centred.map((value, i) => (value / scale) * w[i] + b[i]);
}

/** Logits at every position, and what the last layer makes them of. */
function run(toks) {
  let resid = embedded(weights, toks);
  let heads, before, W;
  for (let layer = 0; layer < given.n_layers; layer++) {
    W = ((prefix) => (name) => weights[`${prefix}.${name}`])(`blocks.${layer}.attn`);
    const written = attention(resid.map((x) => layerNorm(x, `blocks.${layer}.ln1`)), W);
    before = resid;
    heads = written.heads;
    resid = added(resid, written.out);
  }
  const logits = resid.map((x) => linear(layerNorm(x, "ln_final"), weights["unembed.W_U"], weights["unembed.b_U"]));
  return { logits, heads, before, after: resid, W };
}

/**
 * What each part of the stream at position `n` adds to the logits, less the mean over all answers, which changes no
 * probability: every head for each token that it attends to, what was there before the heads, and the biases.
 */
function partsAt(result, n) {
  const { scale } = centredAndScale(result.after[n]);
  const w = weights["ln_final.w"].data;
  const lessMean = (logits) => { const middle = mean(logits); return logits.map((value) => value - middle); };
  const readout = (x) => {
    const { centred } = centredAndScale(x);
    return lessMean(linear(centred.map((value, i) => (value / scale) * w[i]), weights["unembed.W_U"]));
  };
  const ofHead = ({ pattern, v }, head) => pattern[n].map((weight, j) => (
    { weight, added: readout(linear(v[j], result.W("W_O"), null, head)).map((value) => weight * value) }
  ));
  const bias = lessMean(linear(weights["ln_final.b"].data, weights["unembed.W_U"], weights["unembed.b_U"]));
  return {
    heads: result.heads.map(ofHead),
    direct: readout(result.before[n]),
    biases: added([readout(result.W("b_O").data)], [bias])[0],
    logits: lessMean(result.logits[n]),
  };
}

/** The list in a text, or what is wrong with it. */
function parse(text) {
  const { numbers, wrong } = wholeNumbers(text, 0, given.max_value, "number");
  if (wrong) return { wrong };
  if (numbers.length === 0) return { wrong: `Type ${N} different numbers.` };
  const twice = numbers.find((number, i) => numbers.indexOf(number) < i);
  if (twice !== undefined) return { wrong: `${twice} is there twice; the numbers of a list have to be different.` };
  const are = numbers.length === 1 ? "This is 1 number" : `These are ${numbers.length} numbers`;
  if (numbers.length !== N) return { wrong: `${are}; the model sorts lists of ${N}.` };
  return { numbers };
}

/** How strongly a number is tinted, of at most `most`: a root, as many small ones each would hardly show. */
function tint(td, x, most) {
  if (!(Math.abs(x) > 0)) return;
  td.style.setProperty("--strength", Math.sqrt(Math.min(Math.abs(x) / most, 1)).toFixed(3));
  if (x < 0) td.style.setProperty("--tint", "var(--other)");
}

function answerRow(list, query) {
  const { said, target, chances } = list.answers[query];
  const tr = document.createElement("tr");
  if (said !== target) tr.className = "wrong";
  const stranger = said >= 0 && !list.numbers.includes(said) ? " (not in the list)" : "";
  tr.append(
    heading(named(list.toks[N + query]), "row", "number"),
    cell(target, { kind: "number", value: target }),
    cell(shown(chances[target], 4), { kind: "number", value: chances[target] }),
    cell(said < 0 ? "none" : named(said) + stranger, { kind: "number", value: said }),
    cell(said < 0 ? "no number" : shown(chances[said], 4), { kind: "number", value: said < 0 ? NaN : chances[said] }),
    cell(said === target ? "right" : "wrong"),
  );
  return tr;
}

/** The pattern of a head as a table; the next number of the list has a frame. */
function attentionTable(list, pattern, head) {
  const table = document.createElement("table");
  table.createCaption().textContent = `Head ${head}`;
  const names = table.createTHead().insertRow();
  names.append(heading("query", "col"), ...list.toks.map((tok) => heading(named(tok), "col")));
  const body = table.createTBody();
  list.answers.forEach(({ target }, query) => {
    const tr = body.insertRow();
    tr.append(heading(named(list.toks[N + query]), "row"));
    pattern[N + query].forEach((weight, key) => {
      const text = weight < NEGLIGIBLE ? "" : shown(100 * weight, 0);
      const td = cell(text, { kind: list.numbers[key] === target ? "next" : "", value: weight });
      tint(td, weight, 1);
      tr.append(td);
    });
  });
  return table;
}

function boostRow(name, weight, row, chosen, most, total = false) {
  const tr = document.createElement("tr");
  if (total) tr.className = "total";
  const percent = weight === null ? "" : shown(100 * weight, 0);
  tr.append(heading(name, "row"), cell(percent, { kind: "number", value: weight ?? "" }));
  for (const answer of chosen) {
    const td = cell(signed(row[answer]), { kind: "number boost", value: row[answer] });
    if (!total) tint(td, row[answer], most);
    tr.append(td);
  }
  return tr;
}

/** What each part adds to the likeliest answers and the right one, at one query. */
function showBoosts(list, query) {
  const { target, said } = list.answers[query];
  const { heads, direct, biases, logits } = partsAt(list.result, N + query);
  const likeliest = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]).slice(0, MOST_ANSWERS);
  const chosen = likeliest.includes(target) ? likeliest : [...likeliest, target];
  const rows = [direct, biases, ...heads.flat().map((part) => part.added)];
  const most = Math.max(...rows.flatMap((row) => chosen.map((answer) => Math.abs(row[answer]))));
  const table = element("boosts");
  table.replaceChildren();
  const names = table.createTHead().insertRow();
  const role = (answer) => (answer === target ? " (right)" : answer === said ? " (answered)" : "");
  const ofAnswer = (answer) => {
    const th = heading(named(answer) + role(answer), "col", "number");
    th.dataset.value = answer;
    return th;
  };
  names.append(heading("what adds", "col"), heading("attention", "col", "number"), ...chosen.map(ofAnswer));
  heads.forEach((parts, head) => {
    const body = table.createTBody();
    const order = Array.from(parts.keys()).sort((a, b) => parts[b].weight - parts[a].weight);
    const large = order.filter((j) => !(parts[j].weight < NEGLIGIBLE));
    for (const j of large) {
      const name = `Head ${head}, to ${named(list.toks[j])}${j > N ? ", sorted" : ""}`;
      const row = boostRow(name, parts[j].weight, parts[j].added, chosen, most);
      row.dataset.head = head;
      row.dataset.source = j;
      body.append(row);
    }
    const rest = order.filter((j) => parts[j].weight < NEGLIGIBLE).map((j) => parts[j]);
    if (rest.length) {
      const sum = rest.reduce((total, part) => added([total], [part.added])[0], zeros(logits.length));
      const weight = rest.reduce((total, part) => total + part.weight, 0);
      const name = `Head ${head}, to ${rest.length === 1 ? "another" : `${rest.length} others`}`;
      body.append(boostRow(name, weight, sum, chosen, most));
    }
  });
  const body = table.createTBody();
  body.append(
    boostRow(given.n_layers > 1 ? "Earlier layers" : "Direct path", null, direct, chosen, most),
    boostRow("Biases", null, biases, chosen, most),
    boostRow("Logit", null, logits, chosen, most, true),
  );
  const after = named(list.toks[N + query]);
  element("boosts-of").textContent = `After ${after} the right answer is ${target}. In logits, less the mean over all ` +
    "answers: what attention to each token adds to the likeliest answers, and what comes past the heads. Attention in percent.";
  form.querySelectorAll("#list-attention tbody tr").forEach((tr) => {
    if (tr.sectionRowIndex === query) tr.setAttribute("aria-current", "true");
    else tr.removeAttribute("aria-current");
  });
}

/** A radio button for each query, of which the first wrong one is chosen, or else the first. */
function offerQueries(list) {
  const firstWrong = list.answers.findIndex(({ said, target }) => said !== target);
  const chosen = Math.max(firstWrong, 0);
  element("queries").replaceChildren(...list.answers.map(({ said, target }, query) => {
    const label = document.createElement("label");
    if (said !== target) label.className = "wrong";
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "list-query", value: query, checked: query === chosen });
    radio.addEventListener("change", () => { showBoosts(list, query); measure(); });
    label.append(radio, cell(named(list.toks[N + query]) + (said !== target ? " (wrong)" : ""), { name: "span" }));
    return label;
  }));
  showBoosts(list, chosen);
}

/** Only what scrolls has to be reached with the keyboard. */
function measure() {
  for (const region of form.querySelectorAll(".scroll")) {
    region.tabIndex = region.scrollWidth > region.clientWidth ? 0 : -1;
  }
}

function show() {
  const { numbers, wrong } = parse(field.value);
  complain(wrong, field, element("error"));
  element("right").textContent = "";
  element("results").hidden = Boolean(wrong);
  if (wrong) return;
  const targets = [...numbers].sort((a, b) => a - b);
  const toks = [...numbers, SEP, ...targets.slice(0, -1)];
  const result = run(toks);
  const answers = targets.map((target, query) => {
    const chances = softmax(result.logits[N + query]);
    return { target, chances, said: argmax(chances) };
  });
  const list = { numbers, toks, result, answers };
  const good = answers.filter(({ said, target }) => said === target).length;
  element("right").textContent = `${right(good, N)}.`;
  document.querySelector("#list-answers tbody").replaceChildren(...answers.map((_, query) => answerRow(list, query)));
  element("attention").replaceChildren(...result.heads.map(({ pattern }, head) => attentionTable(list, pattern, head)));
  offerQueries(list);
  measure();
}

element("range").textContent = `${N} different whole numbers in 0 .. ${given.max_value}`;
offer(given.examples, element("examples"), field, show);
begin(form, field, given.examples, show);
