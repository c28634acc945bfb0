"use strict";
// The table of persons: sorted, filtered, and leading to the cases; cases open in a dialog.
(() => {
  const PAGE = 100;
  const data = JSON.parse(document.getElementById("rows-data").textContent);
  const body = document.getElementById("rows-body");
  const text = document.getElementById("rows-text");
  const kind = document.getElementById("rows-kind");
  const more = document.getElementById("rows-more");
  const count = document.getElementById("rows-count");
  const heads = [...document.querySelectorAll("#rows-head th[data-column]")];
  let order = { column: data.sort, down: data.down };
  let shown = PAGE;

  const matching = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    return data.rows.filter((row) => {
      const name = row.cells.slice(0, data.words).join(" ").toLowerCase();
      return words.every((w) => name.includes(w)) && (!kind.value || row.tags.includes(kind.value));
    });
  };

  const compare = (a, b) => {
    const [x, y] = [a.cells[order.column], b.cells[order.column]];
    if (x === null || y === null) return (x === null) - (y === null); // What is unknown comes last.
    const less = typeof x === "number" && typeof y === "number"
      ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    return order.down ? -less : less;
  };

  const cell = (value, digits) => {
    if (value === null) return "–";
    if (digits === null || typeof value !== "number") return String(value);
    return (digits.plus && value > 0 ? "+" : "") + value.toFixed(digits.digits);
  };

  const draw = () => {
    const found = matching().sort(compare);
    const lines = found.slice(0, shown).map((row) => {
      const line = document.createElement("tr");
      row.cells.forEach((value, i) => {
        const td = document.createElement(i ? "td" : "th");
        if (!i) td.scope = "row";
        td.textContent = cell(value, data.digits[i]);
        if (data.digits[i] !== null) td.className = "number";
        line.append(td);
      });
      const last = document.createElement("td");
      if (row.case !== null) {
        const link = document.createElement("a");
        link.href = `#case-${row.case}`;
        link.textContent = "look";
        link.setAttribute("aria-label", `look at ${row.cells[0]}, case ${row.case}`);
        last.append(link);
      }
      line.append(last);
      return line;
    });
    body.replaceChildren(...lines);
    count.textContent = `${found.length} of ${data.rows.length} rows`
      + (found.length > shown ? `, the first ${shown} shown` : "");
    more.hidden = found.length <= shown;
    for (const head of heads) {
      const here = Number(head.dataset.column) === order.column;
      head.setAttribute("aria-sort", !here ? "none" : order.down ? "descending" : "ascending");
    }
  };

  const anew = () => { shown = PAGE; draw(); };
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      const column = Number(head.dataset.column);
      const same = order.column === column;
      order = { column, down: same ? !order.down : data.digits[column] !== null };
      anew();
    });
  }
  text.addEventListener("input", anew);
  kind.addEventListener("change", anew);
  more.addEventListener("click", () => { shown += 5 * PAGE; draw(); });
  document.getElementById("rows").hidden = false;
  draw();

  const dialog = document.getElementById("viewer");
  const stage = document.getElementById("viewer-stage");
  const cases = [...document.querySelectorAll("article.case")];
  let at = -1;
  const show = (i) => {
    at = (i + cases.length) % cases.length;
    const copy = cases[at].cloneNode(true);
    copy.removeAttribute("id");
    copy.querySelectorAll("button, [id]").forEach((each) => each.remove());
    stage.replaceChildren(copy);
    document.getElementById("viewer-place").textContent = `case ${at + 1} of ${cases.length}`;
    if (!dialog.open) dialog.showModal();
  };
  const open = (hash) => {
    const i = cases.findIndex((each) => `#${each.id}` === hash);
    if (i >= 0) show(i);
    return i >= 0;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#case-']");
    if (link && open(link.hash)) event.preventDefault();
  });
  if (dialog) {
    document.getElementById("viewer-back").addEventListener("click", () => show(at - 1));
    document.getElementById("viewer-next").addEventListener("click", () => show(at + 1));
    document.getElementById("viewer-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") show(at - 1);
      if (event.key === "ArrowRight") show(at + 1);
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => stage.replaceChildren());
    open(location.hash);
  }
  // On paper nothing can be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));
})();
