"use strict";
(() => {
  const form = document.getElementById("filter");
  const claims = [...document.querySelectorAll("article.claim")];
  const sections = [...document.querySelectorAll("section.claims")];
  const contents = document.getElementById("contents");
  const narrow = window.matchMedia("(max-width: 60rem)");

  // On a phone the contents would push the report below the fold.
  const fold = () => { contents.open = !narrow.matches; };
  fold();
  narrow.addEventListener("change", fold);

  // What a claim says, without its code: that has words such as "model" in every one.
  const said = new Map(claims.map((claim) => [
    claim,
    [...claim.children].map((part) => (part.matches(".code") ? part.firstElementChild : part).textContent).join(" ").toLowerCase(),
  ]));

  function matches(claim, verdict, evidence, words) {
    const chosen = verdict === "all" || (verdict === "failing" ? claim.dataset.good === "no" : claim.dataset.verdict === verdict);
    const backed = evidence === "all" || claim.dataset.evidence === evidence;
    return chosen && backed && words.every((word) => said.get(claim).includes(word));
  }

  function apply() {
    const verdict = form.elements.verdict.value;
    const evidence = form.elements.evidence?.value ?? "all";
    const words = form.elements.containing.value.toLowerCase().split(/\s+/).filter(Boolean);
    const filtering = verdict !== "all" || evidence !== "all" || words.length > 0;
    let shown = 0;
    for (const claim of claims) {
      claim.hidden = !matches(claim, verdict, evidence, words);
      shown += !claim.hidden;
    }
    for (const section of sections) {
      const inside = [...section.querySelectorAll("article.claim")];
      section.hidden = filtering && inside.every((claim) => claim.hidden);
    }
    document.getElementById("shown").textContent = `${shown} of ${claims.length} shown`;
  }

  // A link to a claim shows that claim, whatever was filtered.
  function reveal() {
    const target = document.getElementById(location.hash.slice(1));  // ids hold nothing that a URL would encode
    if (!target) return;
    if (form && (target.hidden || target.closest("[hidden]"))) {
      form.reset();
      apply();
    }
    if (target.matches("details")) target.open = true;
    target.scrollIntoView();
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }
  window.addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {  // the same link once more changes no hash
    if (event.target.closest("a")?.getAttribute("href") === location.hash) reveal();
  });
  reveal();

  // Only what scrolls has to be reached with the keyboard.
  const regions = document.querySelectorAll(".scroll, .drawing");
  const measure = () => {
    for (const region of regions) region.tabIndex = region.scrollWidth > region.clientWidth ? 0 : -1;
  };
  window.addEventListener("resize", measure);
  document.addEventListener("toggle", measure, true);
  measure();

  // On paper nothing can be unfolded. Code is not printed.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open], .code)")];
    for (const details of folded) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();
