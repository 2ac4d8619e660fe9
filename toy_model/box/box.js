/** What Python gave the box of this name. */
const givenTo = (panel) => JSON.parse(document.getElementById(`panel-${panel}-data`).textContent);

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

/** Where the largest is; -1 where one is no number: there are weights as large as overflow. */
const argmax = (x) => (x.some(Number.isNaN) ? -1 : x.indexOf(Math.max(...x)));

/** Embedding and position of each token. */
function embedded(weights, toks) {
  const dModel = weights["embed.W_E"].shape[1];
  const row = (tensor, i) => tensor.data.subarray(i * dModel, (i + 1) * dModel);
  return toks.map((tok, n) => {
    const position = row(weights["pos_embed.W_pos"], n);
    return Float64Array.from(row(weights["embed.W_E"], tok), (x, i) => x + position[i]);
  });
}

/** The pattern and the values of one head: what each position attends to, and what it would get from each. */
function headOn(read, W, head) {
  const dHead = W("W_Q").shape[2];
  const [q, k, v] = ["Q", "K", "V"].map((which) => read.map((x) => linear(x, W(`W_${which}`), W(`b_${which}`), head)));
  const pattern = q.map((query, n) => softmax(k.slice(0, n + 1).map((key) => dot(query, key) / Math.sqrt(dHead))));
  return { pattern, v };
}

/** What attention adds at each position, and its heads. */
function attention(read, W) {
  const out = read.map(() => Float64Array.from(W("b_O").data));
  const heads = Array.from({ length: W("W_Q").shape[0] }, (_, head) => headOn(read, W, head));
  heads.forEach(({ pattern, v }, head) => pattern.forEach((row, n) => {
    const z = zeros(v[0].length);
    row.forEach((weight, j) => { for (let i = 0; i < z.length; i++) z[i] += weight * v[j][i]; });
    linear(z, W("W_O"), null, head).forEach((value, i) => { out[n][i] += value; });
  }));
  return { out, heads };
}

const added = (rows, others) => rows.map((row, n) => row.map((value, i) => value + others[n][i]));

/** The whole numbers in a text, or what is wrong with it; `noun` is what they are called. */
function wholeNumbers(text, low, high, noun) {
  const words = text.replace(/[\u2212\u2013\u2014]/g, "-").split(/[\s,;]+/).filter(Boolean);
  const numbers = [];
  for (const [i, word] of words.entries()) {
    const shown = word.length > 20 ? `${word.slice(0, 20)}…` : word;
    if (!/^[+-]?\d+$/.test(word)) return { wrong: `“${shown}”, ${noun} ${i + 1}, is not a whole number.` };
    const number = Number(word);
    if (number < low || number > high) return { wrong: `${shown}, ${noun} ${i + 1}, is beyond ${low} .. ${high}.` };
    numbers.push(number + 0);
  }
  return { numbers };
}

function cell(text, { name = "td", kind = "", value } = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  if (value !== undefined) made.dataset.value = value;
  return made;
}

/** The heading of a row or column. */
function heading(text, scope, kind = "") {
  const made = cell(text, { name: "th", kind });
  made.scope = scope;
  return made;
}

const shown = (x, digits) => (Number.isNaN(x) ? "no number" : x.toFixed(digits));

/** Say what is wrong with what is typed; nothing if nothing is. */
function complain(wrong, field, error) {
  error.textContent = wrong || "";
  field.setAttribute("aria-invalid", wrong ? "true" : "false");
}

/** How many of all answers are right, as a sentence without its end. */
function right(good, all) {
  if (good < all) return `${good} of ${all} answers are right`;
  return good === 1 ? "The answer is right" : `All ${good} answers are right`;
}

/** A button for each example, which writes its values into the field. */
function offer(examples, place, field, show) {
  for (const example of examples) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = example.name;
    button.addEventListener("click", () => {
      field.value = example.values.join(" ");
      show();
    });
    place.append(button);
  }
}

/** Show the box, with the first example in it, and go on showing what is typed. */
function begin(form, field, examples, show) {
  form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", show);
  form.hidden = false;
  field.value = examples[0].values.join(" ");
  show();
}
