(() => {
  // a table is sorted by the column whose heading is pressed
  const units = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, h: 3600, min: 60 };
  const said = (cell) => [...cell.childNodes].filter((x) => x.nodeName !== "SMALL" && !x.classList?.contains("sign"));
  const value = (cell, number) => {
    const text = said(cell).map((x) => x.textContent).join("").trim().replaceAll(",", "").replaceAll("−", "-");
    if (!number) return text;
    const parts = [...text.matchAll(/(-?\d[\d.]*(?:e-?\d+)?)\s*(k|M|G|T|h|min)?/g)];
    if (!parts.length || !/^[-+<±\d]/.test(text)) return text && text !== "–" ? text : null;
    const time = / (h|min|s)\b/.test(text) ? parts : parts.slice(0, 1);
    return time.reduce((sum, [, number, unit]) => sum + Number(number) * (units[unit] ?? 1), 0);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0], rows = [...body.rows];
    if (rows.length < 3) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.classList.contains("barcell")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.ariaSort === "ascending" || (!head.ariaSort && head.classList.contains("n"));
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const known = rows.map((row) => [value(row.cells[column], head.classList.contains("n")), row]);
        const some = known.filter(([x]) => x !== null).sort(([a], [b]) => compare(a, b) * (down ? -1 : 1));
        body.append(...[...some, ...known.filter(([x]) => x === null)].map(([, row]) => row));
      });
    });
  }
  // on a phone the large figures are told without what they are compared with, until somebody asks
  const figures = document.querySelector(".figures");
  if (figures && matchMedia("screen and (max-width: 700px)").matches && figures.querySelector(".value ~ dd")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "compared";
    const brief = (is) => {
      figures.classList.toggle("brief", is);
      button.ariaExpanded = String(!is);
      button.textContent = is ? "What they are compared with" : "The figures alone";
    };
    button.addEventListener("click", () => brief(!figures.classList.contains("brief")));
    figures.after(button);
    brief(true);
  }
  // what goes on beyond its edge says so
  const hint = (box) => box.classList.toggle("more", box.scrollWidth > box.clientWidth + 2);
  const watch = new ResizeObserver((some) => some.forEach(({ target }) => hint(target)));
  document.querySelectorAll(".scroll").forEach((box) => watch.observe(box));
  // paper shows what is folded
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
})();
