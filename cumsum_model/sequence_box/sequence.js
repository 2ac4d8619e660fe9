const given = givenTo("try-a-sequence");
const form = document.getElementById("sequence");
const field = document.getElementById("values");
const body = document.querySelector("#positions tbody");
const error = document.getElementById("values-error");
const answers = document.getElementById("answers");
const COLOURS = ["var(--first)", "var(--second)", "var(--third)"];
const weights = readWeights(given.weights);

/** Per position: resid_mid . u and the neurons that fire, both of the first layer, and the probabilities. */
function run(values) {
  let resid = embedded(weights, values.map((value) => value + given.max_value));
  let projections, firing;
  for (let layer = 0; layer < given.n_layers; layer++) {
    const mlp = (name) => weights[`blocks.${layer}.mlp.${name}`];
    const mid = added(resid, attention(resid, (name) => weights[`blocks.${layer}.attn.${name}`]).out);
    const post = mid.map((x) => linear(x, mlp("W_in"), mlp("b_in")).map((value) => Math.max(value, 0)));
    if (layer === 0) {
      projections = mid.map((x) => dot(given.u, x));
      firing = post.map((x) => Array.from(x.keys()).filter((neuron) => x[neuron] > 0));
    }
    resid = added(post.map((x) => linear(x, mlp("W_out"), mlp("b_out"))), mid);
  }
  const logits = resid.map((x) => linear(x, weights["unembed.W_U"], weights["unembed.b_U"]));
  return { projections, firing, probabilities: logits.map(softmax) };
}

/** The values in a text, or what is wrong with it. */
function parse(text) {
  const { numbers, wrong } = wholeNumbers(text, -given.max_value, given.max_value, "value");
  if (wrong) return { wrong };
  if (numbers.length === 0) return { wrong: "Type at least one value." };
  if (numbers.length > given.n_ctx) {
    return { wrong: `These are ${numbers.length} values; the model reads at most ${given.n_ctx}.` };
  }
  return { values: numbers };
}

const signed = (x) => (x > 0 ? `+${x}` : `${x}`);

function positionRow(n, value, sum, result) {
  const tr = document.createElement("tr");
  const chances = result.probabilities[n];
  const label = Math.sign(sum) + 1;
  const said = argmax(chances);
  if (said !== label) tr.className = "wrong";
  const mean = sum / (n + 1);
  tr.append(
    heading(n + 1, "row", "number"),
    cell(signed(value), { kind: "number", value }),
    cell(signed(sum), { kind: "number", value: sum }),
    cell(mean.toFixed(3), { kind: "number", value: mean }),
    cell(shown(result.projections[n], 3), { kind: "number", value: result.projections[n] }),
    cell(result.firing[n].join(" ") || "none", { value: result.firing[n].join(" ") }),
  );
  chances.forEach((chance, answer) => {
    const td = cell(shown(chance, 4), { kind: `number chance${answer === said ? " most" : ""}`, value: chance });
    td.style.setProperty("--p", Number.isNaN(chance) ? 0 : chance);
    td.style.setProperty("--colour", COLOURS[answer]);
    tr.append(td);
  });
  const wrongly = said < 0 ? ", says nothing" : `, says ${given.labels[said]}`;
  tr.append(cell(given.labels[label] + (said === label ? "" : wrongly), { value: given.labels[label] }));
  return { tr, good: said === label };
}

function show() {
  const { values, wrong } = parse(field.value);
  complain(wrong, field, error);
  body.replaceChildren();
  answers.textContent = "";
  if (wrong) return;
  const result = run(values);
  let sum = 0;
  let good = 0;
  values.forEach((value, n) => {
    sum += value;
    const made = positionRow(n, value, sum, result);
    good += made.good;
    body.append(made.tr);
  });
  answers.textContent = `${right(good, values.length)}.`;
}

document.getElementById("values-range").textContent =
  `1 to ${given.n_ctx} whole numbers in -${given.max_value} .. ${given.max_value}`;
offer(given.examples, document.getElementById("examples"), field, show);
begin(form, field, given.examples, show);
