"use strict";
(() => {
  const given = JSON.parse(document.getElementById("panel-try-a-sequence-data").textContent);
  const form = document.getElementById("sequence");
  const field = document.getElementById("values");
  const body = document.querySelector("#positions tbody");
  const error = document.getElementById("values-error");
  const answers = document.getElementById("answers");
  const COLOURS = ["var(--first)", "var(--second)", "var(--third)"];

  // The weights are a safetensors file: eight bytes of header length, a JSON header, little-endian float32.
  function readWeights(base64) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const start = 8 + Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    const weights = {};
    for (const [name, entry] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      const [from, to] = entry.data_offsets;
      const data = new Float64Array((to - from) / 4);
      for (let i = 0; i < data.length; i++) data[i] = view.getFloat32(start + from + 4 * i, true);
      weights[name] = { shape: entry.shape, data };
    }
    return weights;
  }

  const weights = readWeights(given.weights);
  const zeros = (n) => new Float64Array(n);

  /** x @ W + b for a row x. W is a matrix, or the one at `head` of a stack of them. */
  function linear(x, W, b, head = 0) {
    const [rows, columns] = W.shape.slice(-2);
    const offset = head * rows * columns;
    const out = zeros(columns);
    if (b) out.set(b.data.subarray(head * columns, (head + 1) * columns));
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) out[j] += x[i] * W.data[offset + i * columns + j];
    }
    return out;
  }

  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

  function softmax(x) {
    const largest = Math.max(...x);
    const powers = Array.from(x, (value) => Math.exp(value - largest));
    const total = powers.reduce((sum, value) => sum + value, 0);
    return powers.map((value) => value / total);
  }

  function attention(resid, layer) {
    const W = (name) => weights[`blocks.${layer}.attn.${name}`];
    const [heads, , dHead] = W("W_Q").shape;
    const out = resid.map(() => Float64Array.from(W("b_O").data));
    for (let head = 0; head < heads; head++) {
      const q = resid.map((x) => linear(x, W("W_Q"), W("b_Q"), head));
      const k = resid.map((x) => linear(x, W("W_K"), W("b_K"), head));
      const v = resid.map((x) => linear(x, W("W_V"), W("b_V"), head));
      for (let n = 0; n < resid.length; n++) {
        const pattern = softmax(k.slice(0, n + 1).map((key) => dot(q[n], key) / Math.sqrt(dHead)));
        const z = zeros(dHead);
        pattern.forEach((weight, j) => { for (let i = 0; i < dHead; i++) z[i] += weight * v[j][i]; });
        linear(z, W("W_O"), null, head).forEach((value, i) => { out[n][i] += value; });
      }
    }
    return out;
  }

  /** Per position: resid_mid . u and the neurons that fire, both of the first layer, and the probabilities. */
  function run(values) {
    const W = (name) => weights[name];
    const dModel = W("embed.W_E").shape[1];
    const row = (tensor, i) => tensor.data.subarray(i * dModel, (i + 1) * dModel);
    let resid = values.map((value, n) => {
      const position = row(W("pos_embed.W_pos"), n);
      return Float64Array.from(row(W("embed.W_E"), value + given.max_value), (x, i) => x + position[i]);
    });
    let projections, firing;
    for (let layer = 0; layer < given.n_layers; layer++) {
      const mlp = (name) => weights[`blocks.${layer}.mlp.${name}`];
      const written = attention(resid, layer);
      const mid = resid.map((x, n) => x.map((value, i) => value + written[n][i]));
      const post = mid.map((x) => linear(x, mlp("W_in"), mlp("b_in")).map((value) => Math.max(value, 0)));
      if (layer === 0) {
        projections = mid.map((x) => dot(given.u, x));
        firing = post.map((x) => Array.from(x.keys()).filter((neuron) => x[neuron] > 0));
      }
      resid = mid.map((x, n) => linear(post[n], mlp("W_out"), mlp("b_out")).map((value, i) => value + x[i]));
    }
    const logits = resid.map((x) => linear(x, W("unembed.W_U"), W("unembed.b_U")));
    return { projections, firing, probabilities: logits.map(softmax) };
  }

  /** The values in a text, or what is wrong with it. */
  function parse(text) {
    const words = text.replace(/[\u2212\u2013\u2014]/g, "-").split(/[\s,;]+/).filter(Boolean);
    if (words.length === 0) return { wrong: "Type at least one value." };
    const values = [];
    for (const [i, word] of words.entries()) {
      const shown = word.length > 20 ? `${word.slice(0, 20)}…` : word;
      if (!/^[+-]?\d+$/.test(word)) return { wrong: `“${shown}”, value ${i + 1}, is not a whole number.` };
      const value = Number(word);
      if (Math.abs(value) > given.max_value) {
        return { wrong: `${shown}, value ${i + 1}, is beyond -${given.max_value} .. ${given.max_value}.` };
      }
      values.push(value + 0);
    }
    if (values.length > given.n_ctx) {
      return { wrong: `These are ${values.length} values; the model reads at most ${given.n_ctx}.` };
    }
    return { values };
  }

  function cell(text, { name = "td", kind = "", value } = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    if (value !== undefined) made.dataset.value = value;
    return made;
  }

  const shown = (x, digits) => (Number.isNaN(x) ? "no number" : x.toFixed(digits));
  const signed = (x) => (x > 0 ? `+${x}` : `${x}`);

  function positionRow(n, value, sum, result) {
    const tr = document.createElement("tr");
    const chances = result.probabilities[n];
    const right = Math.sign(sum) + 1;
    const said = chances.some(Number.isNaN) ? -1 : chances.indexOf(Math.max(...chances)); // -1: weights as large as overflow
    if (said !== right) tr.className = "wrong";
    const number = cell(n + 1, { name: "th", kind: "number" });
    number.scope = "row";
    const mean = sum / (n + 1);
    tr.append(
      number,
      cell(signed(value), { kind: "number", value }),
      cell(signed(sum), { kind: "number", value: sum }),
      cell(mean.toFixed(3), { kind: "number", value: mean }),
      cell(shown(result.projections[n], 3), { kind: "number", value: result.projections[n] }),
      cell(result.firing[n].join(" ") || "none", { value: result.firing[n].join(" ") }),
    );
    chances.forEach((chance, label) => {
      const td = cell(shown(chance, 4), { kind: `number chance${label === said ? " most" : ""}`, value: chance });
      td.style.setProperty("--p", Number.isNaN(chance) ? 0 : chance);
      td.style.setProperty("--colour", COLOURS[label]);
      tr.append(td);
    });
    const wrongly = said < 0 ? ", says nothing" : `, says ${given.labels[said]}`;
    tr.append(cell(given.labels[right] + (said === right ? "" : wrongly), { value: given.labels[right] }));
    return { tr, good: said === right };
  }

  function show() {
    const { values, wrong } = parse(field.value);
    error.textContent = wrong || "";
    field.setAttribute("aria-invalid", wrong ? "true" : "false");
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
    const all = good === values.length ? (good === 1 ? "The answer is" : `All ${good} answers are`) : `${good} of ${values.length} answers are`;
    answers.textContent = `${all} right.`;
  }

  document.getElementById("values-range").textContent =
    `1 to ${given.n_ctx} whole numbers in -${given.max_value} .. ${given.max_value}`;
  for (const example of given.examples) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = example.name;
    button.addEventListener("click", () => {
      field.value = example.values.join(" ");
      show();
    });
    document.getElementById("examples").append(button);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", show);
  form.hidden = false;
  field.value = given.examples[0].values.join(" ");
  show();
})();
