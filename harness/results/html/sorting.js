/* Tables whose headings are buttons sort by that column, down first where it holds numbers. Rows
   without a number stand last. */

{
  const number = (cell) => (cell.dataset.v === undefined ? NaN : Number(cell.dataset.v));

  function compared(a, b, sign) {
    if (a.hasNumber && b.hasNumber) return sign * (a.number - b.number);
    if (a.hasNumber !== b.hasNumber) return a.hasNumber ? -1 : 1;
    return sign * a.text.localeCompare(b.text, undefined, { numeric: true });
  }

  function sort(table, heading) {
    const numeric = heading.classList.contains("num");
    const now = heading.getAttribute("aria-sort");
    const first = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = now === first ? other : first;
    for (const one of table.tHead.rows[0].cells) one.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => {
      const cell = row.cells[heading.cellIndex];
      const value = number(cell);
      return { row, text: cell.textContent, number: value, hasNumber: !Number.isNaN(value) };
    });
    rows.sort((a, b) => compared(a, b, sign));
    table.tBodies[0].append(...rows.map((one) => one.row));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) sort(table, button.closest("th"));
    });
  }
}
